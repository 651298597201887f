"""
What the desk shows: what is wrong, where every image is, and what happened to it, as plain values.

Owns what has to be kept in memory so that no request scans what grows. Never speaks HTTP, writes no
page and changes nothing: the admin API and the pages show what is here. Whoever asks says what the
caller may see. Start reading at `desk.py`.
"""
