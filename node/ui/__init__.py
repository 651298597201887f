"""
The pages: what people with a browser see of a cluster, under `/ui`.

It draws what other packages know, and decides nothing: rights are those of `node.identity`, what
needs attention is `node.attention`'s. What an image or its author wrote is text here, and never
markup.
"""
