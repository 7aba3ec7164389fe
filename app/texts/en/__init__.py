"""English texts of the interface, the reference language, one file a screen. Keys are screen.what; {values} are filled in."""
