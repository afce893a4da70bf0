-- The copies of a call: what is known of each dialog, the way to its client, and the requests that go there.

local checks = dofile(string.match(debug.getinfo(1, "S").source, "^@(.*)/") .. "/checks.lua")
local is_text, is_line, is_whole, is_list, is_header_block =
	checks.is_text, checks.is_line, checks.is_whole, checks.is_list, checks.is_header_block
local copies = {}

-- A call larger than the read buffer of Kamailio never arrives, so this only bounds the loops.
local MAX_COPIES = 1000

-- What the node knows of its dialogs: { reference, ruri, nexthop, from, to, callid, contact, conid, and the route set if there is one }.
-- What is no INFO has an empty route set if it has none, and its method and headers behind it.
function copies.check_lines(lines)
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
function copies.check_copies(groups)
	if not is_list(groups, MAX_COPIES) then return "copies: not a list, or too many" end
	local total = 0
	for _, group in ipairs(groups) do
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

-- What parlance.cfg wrote of a connection -> { next hop, local socket }, so that it is taken apart once.
local paths, path_count = {}, 0
local MAX_PATHS = 20000

local function path_of(known)
	local proto, remote, here = string.match(known, "^(%a+)|(.*)|(.*)$")
	local over = (proto == "ws" and "tcp") or (proto == "wss" and "tls") or proto
	if path_count >= MAX_PATHS then paths, path_count = {}, 0 end
	path_count = path_count + 1
	local path = { remote = remote, nexthop = "sip:" .. remote .. ";transport=" .. proto, socket = over .. ":" .. here }
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

function copies.learn(node, life, lines)
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

-- What is being sent, and what became of it; one per process, since a process works on one call at a time.
local round, outcome = nil, nil

-- Whether what is written to the address without a transaction goes into this very connection. COMPAT(Kamailio, 5.6): sendx looks for
-- one by remote address alone, as this function does, which is not among those a script calls directly.
local function leads_to(conid, path)
	KSR.x.modf("tcp_get_conid", path.remote, "$var(parlance_found)")
	return KSR.pv.get("$var(parlance_found)") == conid
end

-- The line's way out, looked at once in a call: a connection's number is never given to another one, but two connections may come
-- from one address (to a TCP and a TLS port, through a NAT), and a copy of the one is then written with a transaction, which tells them apart.
local function way_of(line)
	if line.looked == round then return line.path end
	line.looked = round
	if line.conid == 0 then
		line.path = line.path or datagram_path(line.contact)
		return line.path
	end
	local path = line.path or path_to(line.conid, line.nexthop)
	line.direct = path ~= nil and path.via ~= nil and not round.stateful and leads_to(line.conid, path)
	if path and not line.direct and KSR.tcpops.tcp_conid_state(line.conid) < 1 then path = nil end
	line.path = path
	return path
end

local function count(done, copies_in_it)
	local word = done and "sent" or "failed"
	outcome[word] = outcome[word] + (copies_in_it or 1)
end

-- Bytes that are gathered for one connection.
local MAX_TOGETHER = 32768

-- What a call has for one connection is written in one go: the kernel's part of a copy is as much as all the rest.
local function write_out(line)
	local text = line.text
	line.text = nil
	count(KSR.corex.sendx(line.nexthop, line.path.socket, text) >= 0, line.count)
end

local function write(line, text)
	-- A call that was broken off leaves its text behind: the node sends it again.
	if line.text == nil or line.gathered ~= round then
		line.text, line.count, line.gathered = text, 1, round
		round.writing[#round.writing + 1] = line
		return
	end
	line.text, line.count = line.text .. text, line.count + 1
	if #line.text > MAX_TOGETHER then write_out(line) end
end

-- A notification. One that is answered needs a transaction, which takes the answer.
local function send_notification(line, path, cseq, body)
	if line.direct and line.method == "BENOTIFY" then
		local text = "BENOTIFY " .. line.ruri .. " SIP/2.0\r\nVia: " .. path.via .. ";branch=z9hG4bKpl-" .. round.life .. "-" .. line.reference
			.. "-" .. cseq .. "\r\nMax-Forwards: 70\r\n" .. line.party .. cseq .. " BENOTIFY\r\n" .. line.headers
			.. "Content-Length: " .. #body .. "\r\n\r\n" .. body
		return write(line, text)
	end
	-- What is never answered would be sent again and again as a datagram.
	local method = path.via and line.method or "NOTIFY"
	local headers = line.party .. cseq .. " " .. method .. "\r\n" .. line.headers
	count(KSR.tm.t_uac_send(method, line.ruri, line.nexthop, path.socket, headers, body) >= 0)
end

-- No transaction is kept over a connection: nothing would be sent again, and who is silent is found by watching one copy in 256.
-- The branch says whether it is watched, so that the answers to all others are done with at once (route[PARLANCE_REPLY]).
local function send_copy(line, path, cseq, watched, group)
	if line.direct then
		if line.head == nil then
			line.head = "INFO " .. line.ruri .. " SIP/2.0\r\nVia: " .. path.via .. ";branch=z9hG4bKpl-"
			line.branch = round.life .. "-" .. line.reference .. "-"
			line.middle = "\r\nMax-Forwards: 70\r\n" .. line.party
		end
		local text = line.head .. (watched and "w" or "") .. line.branch .. cseq .. line.middle .. cseq .. group.tail
		return write(line, text)
	end
	local headers = line.party .. cseq .. " INFO\r\nContent-Type: text/plain\r\n"
	count(KSR.tm.t_uac_send("INFO", line.ruri, line.nexthop, path.socket, headers, group.body) >= 0)
end

-- Nobody hears of an INFO without an answer unless it is remembered, which costs as much as sending it. So every 256th of a
-- dialog is, its first one too: often enough to find a client that has fallen silent.
local function watch(line, cseq)
	if line.tag == nil then return end
	KSR.htable.sht_sets("parlance_sent", cseq .. "|" .. line.tag .. "|" .. line.callid, round.node .. "|" .. line.conid)
end

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
	if line.method then return send_notification(line, path, cseq, group.body) end
	local watched = number % 256 == 1
	if watched then watch(line, cseq) end
	send_copy(line, path, cseq, watched, group)
end

-- Sends every group to its dialogs. `lines` is what `learn` gave.
-- @returns { sent, failed, refused, dead = conids, unknown = references }
function copies.send(groups, lines, node, stateful)
	round = { life = lines.life, node = node, stateful = stateful, writing = {} }
	outcome = { sent = 0, refused = 0, failed = 0, dead = {}, seen_dead = {}, unknown = {}, seen_unknown = {} }
	for _, group in ipairs(groups) do
		local to = group.to
		group.tail = " INFO\r\nContent-Type: text/plain\r\nContent-Length: " .. #group.body .. "\r\n\r\n" .. group.body
		for i = 1, #to, 2 do
			local line = lines.by[to[i]]
			if line then carry(line, to[i + 1], group) else once(outcome.unknown, outcome.seen_unknown, to[i]) end
		end
	end
	for _, line in ipairs(round.writing) do
		if line.text ~= nil then write_out(line) end
	end
	return outcome
end

return copies
