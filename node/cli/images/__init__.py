"""The commands of who pushes and pulls: where a push has come to, and what a tag was. They ask."""
