"""
Who somebody is, and what they may do.

`documents.py` has what is stored and how concurrent versions of it combine, `actions.py` the table
of actions and roles, `decisions.py` the rule that joins both; all three are pure. `directory.py`
reads documents, `accounts.py` and its neighbours write them, `login.py` and `tokens.py` find out
who asks.
"""
