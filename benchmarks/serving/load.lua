-- Requests from files: REQUESTS has all bodies in a row, LENGTHS how long each is, FIELDS a header field a line.
-- They are sent in turn. Prints one line of JSON at the end.
local requests, n = {}, 0

function init()
  local fields = {}
  for name, value in os.getenv("FIELDS"):gmatch("([^:\n]+): ([^\n]+)") do fields[name] = value end
  local file = io.open(os.getenv("REQUESTS"), "rb")
  for length in os.getenv("LENGTHS"):gmatch("%d+") do
    requests[#requests + 1] = wrk.format("POST", os.getenv("TARGET_PATH"), fields, file:read(tonumber(length)))
  end
  file:close()
end

function request()
  n = n % #requests + 1
  return requests[n]
end

function done(summary, latency)
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format('JSON{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "bad": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, bad))
end
