"""Studies: questions that measurements answer, each a command."""
