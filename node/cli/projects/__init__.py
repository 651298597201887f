"""The commands about what holds for the repositories of a project. They ask a node."""
