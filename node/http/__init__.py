"""
HTTP: connections, bodies, answers, errors, and what an endpoint says of itself.

It finds the endpoint that a request is for and answers, whatever happens. What there is to ask for,
`node.oci` and `node.admin` say; nothing here knows of them.
"""
