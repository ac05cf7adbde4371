"""What every command of the project does at a terminal: how it prints, shows progress, and ends."""
