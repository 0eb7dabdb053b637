"""The small vision-language model that the starter judge stands on, trained on questions about scenes."""
