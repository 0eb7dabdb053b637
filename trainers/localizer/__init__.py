"""The localizer: finding named things in the scenes."""
