/**
 * What Redis does for presence in one step each. The time is Redis' own, so clocks of nodes need not agree.
 *
 * `parlance:{nodes}`                     sorted set: incarnation → time of its last heartbeat (ms)
 * `parlance:node:<incarnation>:rooms`    set: rooms in which this node has participants
 * `parlance:room:<id>:<incarnation>`     hash: address → JSON of name and mask
 *
 * ARGV[1] is the asking incarnation, ARGV[2] the age (ms) above which a node no longer counts.
 */
export const nodesKey = "parlance:{nodes}";

export const indexKey = (incarnation: string) => `parlance:node:${incarnation}:rooms`;

export const roomKey = (roomId: number, incarnation: string) => `parlance:room:${roomId}:${incarnation}`;

const prelude = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me = ARGV[1]
local function index(node) return 'parlance:node:' .. node .. ':rooms' end
local function room(id, node) return 'parlance:room:' .. id .. ':' .. node end
`;

const others = `${prelude}
local others = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now - ARGV[2], '+inf')) do
  if node ~= me then others[#others + 1] = node end
end
local function elsewhere(id, user)
  local found, total = 0, 0
  for _, node in ipairs(others) do
    local count = redis.call('HLEN', room(id, node))
    total = total + count
    if count > 0 and found == 0 then found = redis.call('HEXISTS', room(id, node), user) end
  end
  return found, total
end
`;

/** ARGV from 3: room, address, value. Answers { known, elsewhere, others, elsewhere, others, … }; known is 0 when Redis forgot us. */
export const enterScript = `${others}
local answer = { redis.call('ZSCORE', KEYS[1], me) and 1 or 0 }
for i = 3, #ARGV, 3 do
  redis.call('HSET', room(ARGV[i], me), ARGV[i + 1], ARGV[i + 2])
  redis.call('SADD', index(me), ARGV[i])
  local found, total = elsewhere(ARGV[i], ARGV[i + 1])
  answer[#answer + 1] = found
  answer[#answer + 1] = total
end
return answer`;

/** ARGV from 3: room, address. Answers as `enterScript`. */
export const leaveScript = `${others}
local answer = { redis.call('ZSCORE', KEYS[1], me) and 1 or 0 }
for i = 3, #ARGV, 2 do
  redis.call('HDEL', room(ARGV[i], me), ARGV[i + 1])
  if redis.call('EXISTS', room(ARGV[i], me)) == 0 then redis.call('SREM', index(me), ARGV[i]) end
  local found, total = elsewhere(ARGV[i], ARGV[i + 1])
  answer[#answer + 1] = found
  answer[#answer + 1] = total
end
return answer`;

/** ARGV from 3: rooms. Answers one flat list of address, value per room. */
export const rosterScript = `${others}
local answer = {}
for i = 3, #ARGV do
  local list = {}
  for _, node in ipairs(others) do
    for _, part in ipairs(redis.call('HGETALL', room(ARGV[i], node))) do list[#list + 1] = part end
  end
  answer[#answer + 1] = list
end
return answer`;

/** ARGV from 3: rooms. Answers one number per room. */
export const countScript = `${others}
local answer = {}
for i = 3, #ARGV do
  local total = 0
  for _, node in ipairs(others) do total = total + redis.call('HLEN', room(ARGV[i], node)) end
  answer[#answer + 1] = total
end
return answer`;

/** Answers { known, lapsed node, lapsed node, … }; known is 0 when Redis had forgotten us or others may have swept us. */
export const heartbeatScript = `${prelude}
local last = redis.call('ZSCORE', KEYS[1], me)
local answer = { (last and tonumber(last) >= now - ARGV[2]) and 1 or 0 }
redis.call('ZADD', KEYS[1], now, me)
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - ARGV[2]), 'LIMIT', 0, 16)) do
  answer[#answer + 1] = node
end
return answer`;

/**
 * ARGV[3] is the node to remove, ARGV[4] is 1 when it goes even though its heartbeat is fresh. Answers 1 while
 * something is left, so that Redis is never held for long; 0 when it is gone or has come back.
 */
export const sweepScript = `${prelude}
local node = ARGV[3]
local last = redis.call('ZSCORE', KEYS[1], node)
if ARGV[4] ~= '1' and last and tonumber(last) >= now - ARGV[2] then return 0 end
for _, id in ipairs(redis.call('SPOP', index(node), 500)) do redis.call('UNLINK', room(id, node)) end
if redis.call('EXISTS', index(node)) == 1 then return 1 end
redis.call('ZREM', KEYS[1], node)
return 0`;
