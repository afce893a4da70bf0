-- Control requests of the Parlance nodes: POST /parlance with one JSON-RPC 2.0 call, "parlance.batch".
-- First the answers to suspended transactions, which parlance.cfg walks through with t_continue (a route can
-- be resumed from the native configuration only), then the copies (copies.lua). Everything is checked
-- before anything is done: a malformed call has no effect.

local cjson = require "cjson"
local here = string.match(debug.getinfo(1, "S").source, "^@(.*)/")
local checks = dofile(here .. "/checks.lua")
local copies = dofile(here .. "/copies.lua")
local is_text, is_line, is_whole, is_list, is_header_block =
	checks.is_text, checks.is_line, checks.is_whole, checks.is_list, checks.is_header_block

-- A call larger than the read buffer of Kamailio never arrives, so this only bounds the loops.
local MAX_ANSWERS = 1000
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

local function fail(id, code, reason, message)
	local answer = { jsonrpc = "2.0", id = id or cjson.null, error = { code = -32602, message = message } }
	reply(code, reason, cjson.encode(answer))
end

local function refuse(id, message)
	count("control_malformed")
	fail(id, 400, "Bad Request", message)
end

-- Another node has taken this life's dialogs over. It may have been paused in the middle of this very call.
local function is_superseded(incarnation, node)
	local home = incarnation and KSR.htable.sht_get("parlance_home", incarnation)
	return type(home) == "string" and home ~= node
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

local function is_incarnation(text) return is_text(text, MAX_NAME) and string.find(text, "^[a-z][a-z0-9]*%-[0-9]+$") ~= nil end

local function check_homes(homes, allowed)
	if type(homes) ~= "table" then return "homes: not an object" end
	for key, value in pairs(homes) do
		if not is_incarnation(key) then return "homes: incarnation" end
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
	if p.incarnation ~= nil and not is_incarnation(p.incarnation) then return refuse(id, "incarnation") end
	if not is_text(p.life, MAX_NAME) or not string.find(p.life, "^[0-9a-f]+$") then return refuse(id, "life") end
	if is_superseded(p.incarnation, p.node) then
		count("control_superseded")
		return fail(id, 409, "Conflict", "superseded")
	end
	local answers, lines, groups, homes = p.answers or {}, p.lines or {}, p.copies or {}, p.homes or {}
	local wrong = check_answers(answers) or copies.check_lines(lines) or copies.check_copies(groups) or check_homes(homes, allowed)
	if wrong then return refuse(id, wrong) end

	local start = KSR.pv.gete("$sht(parlance_state=>start)")
	if p.start ~= "" and p.start ~= start then
		-- What the caller knows about transactions and connections ended with the Kamailio it speaks of.
		answers, lines, groups, homes = {}, {}, {}, {}
		count("control_stale")
	end
	for key, value in pairs(homes) do
		KSR.htable.sht_sets("parlance_home", key, value)
		KSR.htable.sht_sets("parlance_home", string.match(key, "^[a-z0-9]+"), value)
	end
	call = { id = id, node = p.node, start = start, answers = answers, copies = groups, position = 1, answered = 0, gone = {},
		nodes = nodes, lines = copies.learn(p.node, p.life, lines),
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
end

function parlance_close()
	if call == nil then return end
	local outcome = copies.send(call.copies, call.lines, call.node, call.stateful)
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
	call = nil
end
