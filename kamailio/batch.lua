-- Control requests of the Parlance nodes: POST /parlance with one JSON-RPC 2.0 call, "parlance.batch".
-- First the answers to suspended transactions, which parlance.cfg walks through with t_continue (a route can
-- be resumed from the native configuration only), then the copies, sent from here. Everything is checked
-- before anything is done: a malformed call has no effect.

local cjson = require "cjson"
local find = string.find

-- A call larger than the read buffer of Kamailio never arrives, so these only bound the loops.
local MAX_ANSWERS = 1000
local MAX_COPIES = 1000
local MAX_NAME = 64
-- When this process began, and so Kamailio: its start id is younger than its connections to the nodes.
local BORN = os.time()

-- The call being worked on; one per process, since a process works on one request at a time.
local call = nil

local function count(name, n)
	for _ = 1, n or 1 do KSR.htable.sht_inc("parlance_count", name) end
end

-- One line a minute and kind.
local function log_once(kind, text)
	if KSR.htable.sht_get("parlance_log", kind) == nil then
		KSR.htable.sht_seti("parlance_log", kind, 1)
		KSR.err("parlance: " .. text .. "\n")
	end
end

-- Takes as long for a wrong secret as for the right one.
local function same_secret(given, expected)
	if #expected < 32 then return false end
	local difference = (#given == #expected) and 0 or 1
	for i = 1, #expected do
		if string.byte(given, i) ~= string.byte(expected, i) then difference = difference + 1 end
	end
	return difference == 0
end

local function reply(code, reason, body) KSR.xhttp.xhttp_reply(code, reason, "application/json", body) end

local function refuse(id, message)
	count("control_malformed")
	local answer = { jsonrpc = "2.0", id = id or cjson.null, error = { code = -32602, message = message } }
	reply(400, "Bad Request", cjson.encode(answer))
end

local function is_text(value, limit) return type(value) == "string" and #value <= (limit or math.huge) end

-- A header value or a part of a start line: no way to begin another line. Plain searches: a pattern would take its time
-- over each character.
local function is_line(value)
	return type(value) == "string" and not (find(value, "\r", 1, true) or find(value, "\n", 1, true)
		or find(value, "\0", 1, true))
end

local function is_whole(value, low, high)
	return type(value) == "number" and value >= low and value <= high and value % 1 == 0
end

local function is_list(value, limit)
	if type(value) ~= "table" then return false end
	local n = 0
	for key in pairs(value) do
		if type(key) ~= "number" then return false end
		n = n + 1
	end
	return n == #value and n <= limit
end

-- "Name: value\r\n" any number of times; Lua has no repeated groups, so line by line.
local function is_header_block(value)
	if type(value) ~= "string" then return false end
	local rest = value
	while rest ~= "" do
		local after = string.match(rest, "^[%w%-]+: [^\r\n%z]*\r\n()")
		if after == nil then return false end
		rest = string.sub(rest, after)
	end
	return true
end

local DIGITS = {}
do
	local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i = 1, 64 do DIGITS[string.byte(alphabet, i)] = i - 1 end
end

-- nil when it is not base64. Not Kamailio's transformation: that one stops at 64 KiB without a word.
local function decode_base64(text)
	if #text % 4 ~= 0 or not string.find(text, "^[%w+/]*=?=?$") then return nil end
	local out = {}
	for i = 1, #text, 4 do
		local a, b, c, d = string.byte(text, i, i + 3)
		local n = DIGITS[a] * 262144 + DIGITS[b] * 4096 + (DIGITS[c] or 0) * 64 + (DIGITS[d] or 0)
		local high, middle, low = math.floor(n / 65536), math.floor(n / 256) % 256, n % 256
		if c == 61 then
			out[#out + 1] = string.char(high)
		elseif d == 61 then
			out[#out + 1] = string.char(high, middle)
		else
			out[#out + 1] = string.char(high, middle, low)
		end
	end
	return table.concat(out)
end

-- nil, or what is wrong with the answers.
local function check_answers(answers)
	if not is_list(answers, MAX_ANSWERS) then return "answers: not a list, or too many" end
	for _, a in ipairs(answers) do
		if not is_list(a, 7) or #a ~= 7 then return "answers: seven fields each" end
		if not is_whole(a[1], 0, 4294967295) or not is_whole(a[2], 0, 4294967295) then return "answers: transaction" end
		if not is_whole(a[3], 200, 699) then return "answers: status code" end
		if not is_line(a[4]) or not is_header_block(a[5]) then return "answers: reason or headers" end
		if not is_text(a[6]) or not is_line(a[7]) then return "answers: body or content type" end
		a.body = decode_base64(a[6])
		if a.body == nil or (a.body ~= "" and a[7] == "") then return "answers: body or content type" end
	end
	return nil
end

local function check_copies(copies)
	if not is_list(copies, MAX_COPIES) then return "copies: not a list, or too many" end
	local total = 0
	for _, group in ipairs(copies) do
		if type(group) ~= "table" or not is_text(group.body) then return "copies: body" end
		if not is_list(group.dialogs, MAX_COPIES) then return "copies: dialogs" end
		total = total + #group.dialogs
		if total > MAX_COPIES then return "copies: too many" end
		for _, d in ipairs(group.dialogs) do
			if type(d) ~= "table" or (#d ~= 8 and #d ~= 9) then return "copies: eight or nine fields each" end
			if type(d[1]) ~= "string" or type(d[2]) ~= "string" or type(d[3]) ~= "string" or type(d[4]) ~= "string"
				or type(d[5]) ~= "string" or type(d[7]) ~= "string" or type(d[9] or "") ~= "string" then
				return "copies: text expected"
			end
			if not is_whole(d[6], 1, 2147483647) or not is_whole(d[8], 0, 2147483647) then return "copies: cseq or conid" end
		end
	end
	return nil
end

local function check_homes(homes, allowed)
	if type(homes) ~= "table" then return "homes: not an object" end
	for key, value in pairs(homes) do
		if type(key) ~= "string" or #key > MAX_NAME or not string.find(key, "^[a-z][a-z0-9]*%-[0-9]+$") then
			return "homes: incarnation"
		end
		if type(value) ~= "string" or not allowed[value] then return "homes: unknown node" end
	end
	return nil
end

-- The next suspended transaction into $var(parlance_index), $var(parlance_label), or no more of them.
local function select_answer()
	local a = call.answers[call.position]
	if a == nil then
		KSR.pv.seti("$var(parlance_more)", 0)
		return
	end
	-- t_continue wants integers, and a script integer is signed: the upper half wraps there and back.
	KSR.pv.seti("$var(parlance_index)", a[1] > 2147483647 and a[1] - 4294967296 or a[1])
	KSR.pv.seti("$var(parlance_label)", a[2] > 2147483647 and a[2] - 4294967296 or a[2])
	KSR.pv.seti("$var(parlance_more)", 1)
end

function parlance_start_id()
	local file = io.open("/dev/urandom", "rb")
	local bytes = file:read(8)
	file:close()
	KSR.pv.sets("$var(parlance_start)", (string.gsub(bytes, ".", function(c) return string.format("%02x", string.byte(c)) end)))
end

-- A body beyond 48,000 bytes in three pieces for base64. Not by {s.substr}: it ends a piece at a NUL byte.
function parlance_slice()
	local body = KSR.pv.get("$rb")
	KSR.pv.sets("$var(parlance_piece1)", string.sub(body, 1, 48000))
	KSR.pv.sets("$var(parlance_piece2)", string.sub(body, 48001, 96000))
	KSR.pv.sets("$var(parlance_piece3)", string.sub(body, 96001))
end

-- Checks the request; on success $var(parlance_more) says whether answers wait, else the reply is out.
function parlance_open()
	call = nil
	KSR.pv.seti("$var(parlance_more)", 0)
	KSR.pv.seti("$var(parlance_hello)", 0)
	local given = KSR.pv.gete("$hdr(Authorization)")
	if not same_secret(given, "Bearer " .. KSR.pv.gete("$var(parlance_key)")) then
		count("control_strangers")
		log_once("control", "control request without the right key from " .. KSR.pv.gete("$si"))
		reply(403, "Forbidden", "{}")
		return
	end
	if KSR.pv.gete("$rm") ~= "POST" then
		count("control_malformed")
		reply(404, "Not Found", "{}")
		return
	end
	local ok, request = pcall(cjson.decode, KSR.pv.gete("$rb"))
	if not ok or type(request) ~= "table" then return refuse(nil, "not JSON") end
	local id = request.id
	if not is_whole(id, 0, 9007199254740991) then return refuse(nil, "id") end
	if request.jsonrpc ~= "2.0" or request.method ~= "parlance.batch" then return refuse(id, "method") end
	local p = request.params
	if type(p) ~= "table" then return refuse(id, "params") end

	local allowed, nodes = {}, 0
	for name in string.gmatch(KSR.pv.gete("$var(parlance_allowed)"), "[^,]+") do
		allowed[name] = true
		nodes = nodes + 1
	end
	if not is_text(p.node, MAX_NAME) or not allowed[p.node] then return refuse(id, "node") end
	if not is_text(p.start, MAX_NAME) then return refuse(id, "start") end
	local answers, copies, homes = p.answers or {}, p.copies or {}, p.homes or {}
	local wrong = check_answers(answers) or check_copies(copies) or check_homes(homes, allowed)
	if wrong then return refuse(id, wrong) end

	local start = KSR.pv.gete("$sht(parlance_state=>start)")
	if p.start ~= "" and p.start ~= start then
		-- What the caller knows about transactions and connections ended with the Kamailio it speaks of.
		answers, copies, homes = {}, {}, {}
		count("control_stale")
	end
	for key, value in pairs(homes) do
		KSR.htable.sht_sets("parlance_home", key, value)
		KSR.htable.sht_sets("parlance_home", string.match(key, "^[a-z0-9]+"), value)
	end
	call = { id = id, node = p.node, start = start, answers = answers, copies = copies, position = 1, answered = 0, gone = {},
		nodes = nodes }
	KSR.pv.sets("$var(parlance_node)", p.node)
	KSR.pv.seti("$var(parlance_hello)", p.hello == true and 1 or 0)
	select_answer()
end

-- $var(parlance_gone) says how the transaction just tried went; on to the next one.
function parlance_next()
	local a = call.answers[call.position]
	if KSR.pv.get("$var(parlance_gone)") == 1 then
		call.gone[#call.gone + 1] = { a[1], a[2] }
	else
		call.answered = call.answered + 1
	end
	call.position = call.position + 1
	select_answer()
end

-- Runs within the resumed transaction.
function parlance_answer()
	local a = call.answers[call.position]
	if a[5] ~= "" then KSR.hdr.append_to_reply(a[5]) end
	if a.body ~= "" then KSR.textops.set_reply_body(a.body, a[7]) end
	KSR.tm.t_reply(a[3], a[4])
	KSR.pv.seti("$var(parlance_code)", a[3])
end

-- What parlance.cfg wrote of a connection -> { next hop, local socket }, so that it is taken apart once.
local paths, path_count = {}, 0
local BRANCH, branches = "", 0
do
	local file = io.open("/dev/urandom", "rb")
	BRANCH = string.gsub(file:read(8), ".", function(c) return string.format("%02x", string.byte(c)) end) .. "-"
	file:close()
end
local MAX_PATHS = 20000

local function path_of(known)
	local proto, remote, here = string.match(known, "^(%a+)|(.*)|(.*)$")
	local over = (proto == "ws" and "tcp") or (proto == "wss" and "tls") or proto
	if path_count >= MAX_PATHS then paths, path_count = {}, 0 end
	path_count = path_count + 1
	local path = { nexthop = "sip:" .. remote .. ";transport=" .. proto, socket = over .. ":" .. here }
	if (proto == "tcp" or proto == "tls") and string.find(here, "^[%d.]+:%d+$") then
		path.via = " SIP/2.0\r\nVia: SIP/2.0/" .. string.upper(proto) .. " " .. here .. ";branch=z9hG4bKpl-" .. BRANCH
	end
	paths[known] = path
	return path
end

-- The way to the client, or nil when there is no live connection of that number to that address.
-- Remote and local address together name one connection: nothing can go into another one, nothing is dialled.
local function path_to(conid, nexthop)
	-- Not by KSR.pv.get: it keeps every variable name it has ever seen, and each connection would be one.
	local known = KSR.htable.sht_get("parlance_conn", tostring(conid))
	if type(known) ~= "string" then return nil end
	local path = paths[known] or path_of(known)
	if nexthop ~= path.nexthop or KSR.tcpops.tcp_conid_state(conid) < 1 then return nil end
	return path
end

-- Over UDP a copy leaves from where the client's requests come in, which our Contact names: from another of several addresses
-- no NAT would let it through.
local function datagram_path(contact)
	local here = string.match(contact, "@([^;>]+);transport=udp>$")
	return { socket = here and "udp:" .. here or "" }
end

-- Over a connection no transaction is kept: nothing would be sent again, and who is silent is found by watching one copy in 256.
local function send_copy(d, path, body)
	if path.via then
		branches = branches + 1
		local text = "INFO " .. d[1] .. path.via .. branches .. "\r\nMax-Forwards: 70\r\nFrom: " .. d[3] .. "\r\nTo: " .. d[4] .. "\r\nCall-ID: " .. d[5]
			.. "\r\nCSeq: " .. d[6] .. " INFO\r\nContact: " .. d[7] .. "\r\nContent-Type: text/plain\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
		return KSR.corex.sendx(d[2], path.socket, text) >= 0
	end
	local socket = path.socket
	local headers = "From: " .. d[3] .. "\r\nTo: " .. d[4] .. "\r\nCall-ID: " .. d[5] .. "\r\nCSeq: " .. d[6]
		.. " INFO\r\nContact: " .. d[7] .. "\r\nContent-Type: text/plain\r\n"
	if d[9] then headers = headers .. "Route: " .. d[9] .. "\r\n" end
	return KSR.tm.t_uac_send("INFO", d[1], d[2], socket, headers, body) >= 0
end

-- Nobody hears of an INFO without an answer unless it is remembered, which costs as much as sending it. So every 256th of a
-- dialog is, its first one too: often enough to find a client that has fallen silent.
local function watch(d)
	local tag = string.match(d[3], ";%s*tag=([^;>%s,]+)")
	if tag == nil then return end
	KSR.htable.sht_sets("parlance_sent", d[6] .. "|" .. tag .. "|" .. d[5], call.node .. "|" .. d[8])
end

function parlance_close()
	if call == nil then return end
	local sent, refused, failed, dead, seen = 0, 0, 0, {}, {}
	for _, group in ipairs(call.copies) do
		for _, d in ipairs(group.dialogs) do
			if not is_line(d[1] .. d[2] .. d[3] .. d[4] .. d[5] .. d[7] .. (d[9] or "")) then
				refused = refused + 1
			else
				local path
				if d[8] ~= 0 then path = path_to(d[8], d[2]) else path = datagram_path(d[7]) end
				if path == nil then
					if not seen[d[8]] then
						seen[d[8]] = true
						dead[#dead + 1] = d[8]
					end
				else
					if d[6] % 256 == 1 then watch(d) end
					if send_copy(d, path, group.body) then sent = sent + 1 else failed = failed + 1 end
				end
			end
		end
	end
	if refused > 0 then
		count("copies_refused", refused)
		log_once("refused", "copy with a line break refused, node " .. call.node)
	end
	if failed > 0 then count("copies_failed", failed) end
	-- cjson writes an empty table as an object
	local function list(t) return #t > 0 and cjson.encode(t) or "[]" end
	reply(200, "OK", string.format(
		'{"jsonrpc":"2.0","id":%.0f,"result":{"edge":%s,"start":%s,"answered":%d,"gone":%s,"sent":%d,"dead":%s,"refused":%d,"age":%d,"nodes":%d}}',
		call.id, cjson.encode(KSR.pv.gete("$var(parlance_edge)")), cjson.encode(call.start), call.answered, list(call.gone),
		sent, list(dead), refused, math.max(0, os.time() - BORN), call.nodes))
	call = nil
end
