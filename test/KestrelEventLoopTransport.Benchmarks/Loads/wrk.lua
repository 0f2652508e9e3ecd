-- wrk's script: an optional pipelining depth as argument, and the summary as one JSON line that the driver reads.
function init(args)
  local depth = tonumber(args[1] or "1")
  if depth > 1 then
    local batch = string.rep(wrk.format(), depth)
    request = function() return batch end
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"operations":%d,"bytes":%d,"seconds":%.6f,"errors":%d,' ..
    '"latency":{"p50":%d,"p90":%d,"p99":%d,"p999":%d,"p9999":%d}}\n',
    summary.requests, summary.bytes, summary.duration / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9),
    latency:percentile(99.99)))
end
