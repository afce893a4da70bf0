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

-- What the node knows of its dialogs: { reference, ruri, nexthop, from, to, callid, contact, conid, and the route set if there is one }.
-- What is no INFO has an empty route set if it has none, and its method and headers behind it.
local function check_lines(lines)
	if not is_list(lines, MAX_COPIES) then return "lines: not a list, or too many" end
	for _, l in ipairs(lines) do
		if type(l) ~= "table" or (#l ~= 8 and #l ~= 9 and #l ~= 11) then return "lines: eight, nine or eleven fields each" end
		if #l == 11 and ((l[10] ~= "NOTIFY" and l[10] ~= "BENOTIFY") or not is_header_block(l[11])) then
			return "lines: method or headers"
		end
		if not is_whole(l[1], 1, 9007199254740991) or not is_whole(l[8], 0, 2147483647) then return "lines: reference or conid" end
		for field = 2, 9 do
			if field ~= 8 and type(l[field] or "") ~= "string" then return "lines: text expected" end
		end
	end
	return nil
end

-- { body, to = { reference, cseq, reference, cseq, … } } each.
local function check_copies(copies)
	if not is_list(copies, MAX_COPIES) then return "copies: not a list, or too many" end
	local total = 0
	for _, group in ipairs(copies) do
		if type(group) ~= "table" or not is_text(group.body) then return "copies: body" end
		local to = group.to
		if type(to) ~= "table" or #to % 2 ~= 0 then return "copies: to" end
		total = total + #to / 2
		if total > MAX_COPIES then return "copies: too many" end
		-- In line: this is done for every copy.
		for i = 1, #to, 2 do
			local reference, cseq = to[i], to[i + 1]
			if type(reference) ~= "number" or type(cseq) ~= "number" or cseq < 1 or cseq > 2147483647 or cseq % 1 ~= 0 then
				return "copies: reference or cseq"
			end
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

-- What parlance.cfg wrote of a connection -> { next hop, local socket }, so that it is taken apart once.
local paths, path_count = {}, 0
local MAX_PATHS = 20000

local function path_of(known)
	local proto, remote, here = string.match(known, "^(%a+)|(.*)|(.*)$")
	local over = (proto == "ws" and "tcp") or (proto == "wss" and "tls") or proto
	if path_count >= MAX_PATHS then paths, path_count = {}, 0 end
	path_count = path_count + 1
	local path = { nexthop = "sip:" .. remote .. ";transport=" .. proto, socket = over .. ":" .. here }
	-- What corex can send over: not WebSocket, and an IPv6 address would need brackets.
	if (proto == "tcp" or proto == "tls") and string.find(here, "^[%d.]+:%d+$") then
		path.via = "SIP/2.0/" .. string.upper(proto) .. " " .. here
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
	if nexthop ~= path.nexthop then return nil end
	return path
end

-- Over UDP a copy leaves from where the client's requests come in, which our Contact names: from another of several addresses
-- no NAT would let it through.
local function datagram_path(contact)
	local here = string.match(contact, "@([^;>]+);transport=udp>$")
	return { socket = here and "udp:" .. here or "" }
end

-- (node) -> what this process has been told of its dialogs, by reference; a node tells each process what it does not know.
local lines_of = {}
local MAX_LINES = 65536

local function learn(node, life, lines)
	local known = lines_of[node]
	if known == nil or known.life ~= life then
		known = { life = life, count = 0, by = {} }
		lines_of[node] = known
	end
	if known.count + #lines > MAX_LINES then known.count, known.by = 0, {} end
	for _, l in ipairs(lines) do
		if known.by[l[1]] == nil then known.count = known.count + 1 end
		local route = (l[9] or "") ~= "" and "Route: " .. l[9] .. "\r\n" or ""
		known.by[l[1]] = {
			reference = string.format("%d", l[1]), ruri = l[2], nexthop = l[3], conid = l[8],
			refused = not is_line(l[2] .. l[3] .. l[4] .. l[5] .. l[6] .. l[7] .. (l[9] or "")),
			method = l[10], headers = l[11], callid = l[6], tag = string.match(l[4], ";%s*tag=([^;>%s,]+)"), contact = l[7],
			party = "From: " .. l[4] .. "\r\nTo: " .. l[5] .. "\r\nCall-ID: " .. l[6] .. "\r\nContact: " .. l[7] .. "\r\n" .. route .. "CSeq: ",
		}
	end
	return known
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
	if not is_text(p.life, MAX_NAME) or not string.find(p.life, "^[0-9a-f]+$") then return refuse(id, "life") end
	local answers, lines, copies, homes = p.answers or {}, p.lines or {}, p.copies or {}, p.homes or {}
	local wrong = check_answers(answers) or check_lines(lines) or check_copies(copies) or check_homes(homes, allowed)
	if wrong then return refuse(id, wrong) end

	local start = KSR.pv.gete("$sht(parlance_state=>start)")
	if p.start ~= "" and p.start ~= start then
		-- What the caller knows about transactions and connections ended with the Kamailio it speaks of.
		answers, lines, copies, homes = {}, {}, {}, {}
		count("control_stale")
	end
	for key, value in pairs(homes) do
		KSR.htable.sht_sets("parlance_home", key, value)
		KSR.htable.sht_sets("parlance_home", string.match(key, "^[a-z0-9]+"), value)
	end
	call = { id = id, node = p.node, start = start, answers = answers, copies = copies, position = 1, answered = 0, gone = {},
		nodes = nodes, lines = learn(p.node, p.life, lines),
		stateful = KSR.pv.get("$var(parlance_stateful)") == 1, hello = p.hello == true }
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

-- The line's way out, found once: a connection's number is never given to another one.
local function way_of(line)
	if line.conid == 0 then
		line.path = line.path or datagram_path(line.contact)
		return line.path
	end
	line.path = line.path or path_to(line.conid, line.nexthop)
	if line.path and KSR.tcpops.tcp_conid_state(line.conid) < 1 then line.path = nil end
	return line.path
end

-- A notification. One that is answered has a transaction, which takes the answer; the other never has.
local function send_notification(line, path, cseq, body)
	if path.via and line.method == "BENOTIFY" then
		local text = "BENOTIFY " .. line.ruri .. " SIP/2.0\r\nVia: " .. path.via .. ";branch=z9hG4bKpl-" .. call.lines.life .. "-" .. line.reference
			.. "-" .. cseq .. "\r\nMax-Forwards: 70\r\n" .. line.party .. cseq .. " BENOTIFY\r\n" .. line.headers
			.. "Content-Length: " .. #body .. "\r\n\r\n" .. body
		return KSR.corex.sendx(line.nexthop, path.socket, text) >= 0
	end
	local headers = line.party .. cseq .. " NOTIFY\r\n" .. line.headers
	return KSR.tm.t_uac_send("NOTIFY", line.ruri, line.nexthop, path.socket, headers, body) >= 0
end

-- Over a connection no transaction is kept (unless PARLANCE_STATEFUL_COPIES): nothing would be sent again, and who is silent is found by watching one copy in 256.
-- The branch says whether it is watched, so that the answers to all others are done with at once (route[PARLANCE_REPLY]).
local function send_copy(line, path, cseq, watched, group)
	if path.via and not call.stateful then
		if line.head == nil then
			line.head = "INFO " .. line.ruri .. " SIP/2.0\r\nVia: " .. path.via .. ";branch=z9hG4bKpl-"
			line.branch = call.lines.life .. "-" .. line.reference .. "-"
			line.middle = "\r\nMax-Forwards: 70\r\n" .. line.party
		end
		local text = line.head .. (watched and "w" or "") .. line.branch .. cseq .. line.middle .. cseq .. group.tail
		return KSR.corex.sendx(line.nexthop, path.socket, text) >= 0
	end
	local headers = line.party .. cseq .. " INFO\r\nContent-Type: text/plain\r\n"
	return KSR.tm.t_uac_send("INFO", line.ruri, line.nexthop, path.socket, headers, group.body) >= 0
end

-- Nobody hears of an INFO without an answer unless it is remembered, which costs as much as sending it. So every 256th of a
-- dialog is, its first one too: often enough to find a client that has fallen silent.
local function watch(line, cseq)
	if line.tag == nil then return end
	KSR.htable.sht_sets("parlance_sent", cseq .. "|" .. line.tag .. "|" .. line.callid, call.node .. "|" .. line.conid)
end

-- What became of the copies of one call.
local outcome = nil

local function once(list, seen, value)
	if seen[value] then return end
	seen[value] = true
	list[#list + 1] = value
end

local function carry(line, number, group)
	if line.refused then
		outcome.refused = outcome.refused + 1
		return
	end
	local path = way_of(line)
	if path == nil then return once(outcome.dead, outcome.seen_dead, line.conid) end
	local cseq = string.format("%d", number)
	if line.method then
		local done = send_notification(line, path, cseq, group.body)
		outcome[done and "sent" or "failed"] = outcome[done and "sent" or "failed"] + 1
		return
	end
	local watched = number % 256 == 1
	if watched then watch(line, cseq) end
	if send_copy(line, path, cseq, watched, group) then
		outcome.sent = outcome.sent + 1
	else
		outcome.failed = outcome.failed + 1
	end
end

function parlance_close()
	if call == nil then return end
	outcome = { sent = 0, refused = 0, failed = 0, dead = {}, seen_dead = {}, unknown = {}, seen_unknown = {} }
	local by = call.lines.by
	for _, group in ipairs(call.copies) do
		local to = group.to
		group.tail = " INFO\r\nContent-Type: text/plain\r\nContent-Length: " .. #group.body .. "\r\n\r\n" .. group.body
		for i = 1, #to, 2 do
			local line = by[to[i]]
			if line then carry(line, to[i + 1], group) else once(outcome.unknown, outcome.seen_unknown, to[i]) end
		end
	end
	if outcome.refused > 0 then
		count("copies_refused", outcome.refused)
		log_once("refused", "copy with a line break refused, node " .. call.node)
	end
	if outcome.failed > 0 then count("copies_failed", outcome.failed) end
	-- In answer to a node's ping: it never sends more than fits. As it is now; a connection keeps what it began with.
	local buffer = ""
	if call.hello then
		buffer = string.format(',"readBuffer":%d', tonumber(KSR.pv.gete("$sel(cfg_get.tcp.rd_buf_size)")) or 0)
	end
	-- cjson writes an empty table as an object
	local function list(t) return #t > 0 and cjson.encode(t) or "[]" end
	reply(200, "OK", string.format(
		'{"jsonrpc":"2.0","id":%.0f,"result":{"edge":%s,"start":%s,"answered":%d,"gone":%s,"sent":%d,"dead":%s,"refused":%d,"unknown":%s,"age":%d,"nodes":%d%s}}',
		call.id, cjson.encode(KSR.pv.gete("$var(parlance_edge)")), cjson.encode(call.start), call.answered, list(call.gone),
		outcome.sent, list(outcome.dead), outcome.refused, list(outcome.unknown), math.max(0, os.time() - BORN), call.nodes, buffer))
	call, outcome = nil, nil
end
