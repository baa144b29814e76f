-- For wrk: posts the images that are listed, one after another, each as a new one.
local requests, at = {}, 0

function init()
  for path in io.lines(os.getenv("VELM_BENCH_IMAGES")) do
    local file = assert(io.open(path, "rb"))
    local type = path:match("%.png$") and "image/png" or "image/jpeg"
    requests[#requests + 1] = wrk.format("POST", nil, {["Content-Type"] = type}, file:read("a"))
    file:close()
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
