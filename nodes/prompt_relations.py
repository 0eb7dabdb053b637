"""Spatial Prompt Relations: what a prompt says about space, to be read and corrected."""

from __future__ import annotations

from comfy_api.latest import io

from .sockets import CATEGORY, Relations


class SpatialPromptRelations(io.ComfyNode):
    """Reads the spatial relations of a prompt."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        return io.Schema(
            node_id="SpatialPromptRelations",
            display_name="Spatial Prompt Relations",
            category=CATEGORY,
            description="Shows which spatial relations are read from a prompt, and lets you correct them.",
            search_aliases=["parse prompt", "scene graph", "relations", "left of", "spatial prompt"],
            has_intermediate_output=True,
            inputs=[
                io.String.Input(
                    "prompt", multiline=True, default="", tooltip="The prompt that you give to the generator."
                ),
                io.String.Input(
                    "corrected",
                    multiline=True,
                    default="",
                    tooltip="Leave empty to use what is read from the prompt. Or write the relations "
                    "yourself, one in a line, in plain words: the red cup is to the left of the "
                    "plate.",
                ),
            ],
            outputs=[
                Relations.Output(
                    "relations",
                    tooltip="For SpatialScore, Best-of-N and Relation Check, in place of the prompt.",
                ),
                io.String.Output("prompt", tooltip="The prompt, unchanged: for the text encoder."),
                io.String.Output("list", tooltip="The relations, one in a line, as they can be corrected."),
                io.Int.Output("count", tooltip="How many relations there are."),
            ],
        )

    @classmethod
    def execute(cls, prompt: str, corrected: str) -> io.NodeOutput:
        """Parse the prompt, or the corrected lines."""
        from spatial_core.language.parser import parse_prompt

        lines = [line.strip().rstrip(".") for line in corrected.splitlines() if line.strip()]
        if not lines and not prompt.strip():
            raise ValueError(
                "The prompt is empty. Write what the picture should show and where, e.g. 'a red ball to "
                "the left of a blue cup'."
            )
        for number, line in enumerate(lines, start=1):
            if not parse_prompt(line).relations:
                raise ValueError(
                    f"Line {number} of the corrected relations says nothing about space that can be read: "
                    f"'{line}'. Write it like 'the red cup is to the left of the plate'."
                )
        graph = parse_prompt(". ".join(lines) + "." if lines else prompt)
        clauses = "\n".join(graph.clause(relation) for relation in graph.relations)
        shown = clauses or "This prompt says nothing about where things are."
        return io.NodeOutput(graph, prompt, clauses, len(graph.relations), ui={"spatial_text": [shown]})
