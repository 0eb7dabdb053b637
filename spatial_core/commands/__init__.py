"""The verbs of the `spatial` command, one module each: HELP, add_arguments(parser), run(args)."""
