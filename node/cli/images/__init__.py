"""The commands of who pushes and pulls: what there is, where a push has come to,
and what a tag was. They ask."""
