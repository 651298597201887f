"""Who may do what: access to projects, roles, robots."""
