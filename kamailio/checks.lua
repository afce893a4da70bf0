-- What a call of a node must look like, piece by piece. Returned as a table of functions.

local find = string.find
local checks = {}

function checks.is_text(value, limit) return type(value) == "string" and #value <= (limit or math.huge) end

-- A header value or a part of a start line: no way to begin another line. Plain searches: a pattern would take its time
-- over each character.
function checks.is_line(value)
	return type(value) == "string" and not (find(value, "\r", 1, true) or find(value, "\n", 1, true)
		or find(value, "\0", 1, true))
end

function checks.is_whole(value, low, high)
	return type(value) == "number" and value >= low and value <= high and value % 1 == 0
end

function checks.is_list(value, limit)
	if type(value) ~= "table" then return false end
	local n = 0
	for key in pairs(value) do
		if type(key) ~= "number" then return false end
		n = n + 1
	end
	return n == #value and n <= limit
end

-- "Name: value\r\n" any number of times; Lua has no repeated groups, so line by line.
function checks.is_header_block(value)
	if type(value) ~= "string" then return false end
	local rest = value
	while rest ~= "" do
		local after = string.match(rest, "^[%w%-]+: [^\r\n%z]*\r\n()")
		if after == nil then return false end
		rest = string.sub(rest, after)
	end
	return true
end

return checks
