"""Chinese texts of the interface, one file a screen, with the keys of the English ones."""
