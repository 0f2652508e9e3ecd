-- Load for wrk: deposits of 1 in 100 accounts, each with a key of its own, so that it counts once.
--
--   wrk -t2 -c16 -d10m --timeout 60s --latency -s samples/Cluster/load.lua http://127.0.0.1:5090
--
-- What fails is printed when it fails. wrk counts it at the end: "Non-2xx or 3xx responses", "Socket errors".
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  key = string.format("wrk-%d-%d-", os.time(), number)
  sent = 0
end

function request()
  sent = sent + 1
  local path = string.format("/accounts/wrk-%d/deposit?amount=1", sent % 100)
  return wrk.format("POST", path, { ["Idempotency-Key"] = key .. sent })
end

function response(status, headers, body)
  if status ~= 200 then
    print(os.date("%X"), status, body)
  end
end
