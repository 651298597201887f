"""The pages of access: who there is, what each may do and why, and forms that change it."""
