-- Requests with tokens in turn: the first argument names a file that has one on each line.

local tokens, number = {}, 0

function init(args)
  for token in io.lines(args[1]) do
    tokens[#tokens + 1] = "Bearer " .. token
  end
end

function request()
  number = number + 1
  wrk.headers["Authorization"] = tokens[number % #tokens + 1]
  return wrk.format()
end
