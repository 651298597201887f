-- Requests of many callers: 10,000 tokens in turn, each behind 37 addresses that a balancer tells of.
-- So hardly any two of them are alike byte for byte.

local tokens, addresses, number = 10000, 37, 0

function request()
  number = number + 1
  wrk.headers["Authorization"] = "Bearer token-of-caller-" .. number % tokens
  wrk.headers["X-Forwarded-For"] = "10.1.2." .. number % addresses
  return wrk.format()
end
