-- Requests of which no two are the same.

local path, number = wrk.path, 0

function init(args)
  path = wrk.path
end

function request()
  number = number + 1
  return wrk.format(nil, path .. "?x=" .. number)
end
