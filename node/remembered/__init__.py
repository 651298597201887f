"""
Answers that are given again without looking anything up: when that is right, and how many are kept.

Pure: knows neither HTTP nor the index. `node.index.worded` tells it what changes, `node.http` asks.
"""
