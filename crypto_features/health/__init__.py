"""How the platform is, for an operator: what is late, what is wrong, and the command that puts it right."""
