-- Asks for one of many synthetic objects. Words: the host, bytes of an object, how many there are, and "each" (one after
-- another, from the first) or "any" (at random).
local host, bytes, count, each, next_one

function init(words)
    host, bytes, count, each, next_one = words[1], words[2], tonumber(words[3]), words[4] == "each", 0
end

function request()
    local n
    if each then
        n = next_one
        next_one = (next_one + 1) % count
    else
        n = math.random(0, count - 1)
    end
    return "GET /_synthetic/" .. bytes .. "/" .. n .. "?max-age=86400 HTTP/1.1\r\nHost: " .. host .. "\r\n\r\n"
end
