-- Token usage of streamed responses, and nothing that a client did not ask for.
--
-- Request: a streaming call is sent on with stream_options that make the backend report usage in every event, so that an aborted
-- stream is charged for what was generated. The body's text is edited in place: numbers, key order and unknown fields stay as sent.
-- Response (text/event-stream): the last usage seen is the charge. Usage that only the gateway asked for is cut out of the events;
-- the closing event with empty choices stays, as it does behind the platform's own enforcer.
-- Responses and messages state their usage unasked, as a part of their protocol: there nothing is asked for, and nothing is cut out.
-- Messages (Anthropic) state no total, streamed or not: their figures are added up. A provider outside is charged for by provider.lua.
--
-- An unescaped `"usage":` cannot occur inside a JSON string, so plain patterns are exact on serialised JSON.

local OPTIONS = '{"include_usage":true,"continuous_usage_stats":true}'

local function path_ends(handle, pattern)
  return string.find(string.match(handle:headers():get(":path") or "", "^[^?]*"), pattern) ~= nil
end

local function speaks_messages(handle)
  return path_ends(handle, "/v1/messages$")
end

-- Where the value of an outermost stream_options begins, if the string from `at` to before `after` is its name.
local function options_at(text, at, after)
  return spelt_out(string.sub(text, at, after - 1)) == '"stream_options"' and string.match(text, "^%s*:%s*()", after)
end

-- The body with its stream_options forced: each of them, because readers differ in which of two counts, and in the outermost object
-- alone, because one further inside is a field of the caller's.
local function forced(text)
  local parts, kept, depth, at, value = {}, 1, 0, 1, nil
  local function replace(after)
    parts[#parts + 1] = string.sub(text, kept, value - 1) .. OPTIONS
    kept, value = after, nil
  end
  while true do
    at = string.find(text, '["{}%[%]]', at)
    if at == nil then
      break
    end
    local byte = string.byte(text, at)
    if byte == 34 then
      local after = after_string(text, at)
      if after == nil then
        break
      end
      value = value or depth == 1 and options_at(text, at, after) or nil
      at = after
      if value ~= nil and depth == 1 and not string.find(text, '^[{%[]', value) then
        at = string.byte(text, value) == 34 and after_string(text, value) or string.match(text, '^[^,}"]*()', value)
        replace(at)
      end
    else
      depth = depth + ((byte == 123 or byte == 91) and 1 or -1)
      at = at + 1
      if depth == 1 and value ~= nil then
        replace(at)
      end
    end
  end
  if #parts == 0 then
    return (string.gsub(text, "}%s*$", function() return ',"stream_options":' .. OPTIONS .. "}" end))
  end
  return table.concat(parts) .. string.sub(text, kept)
end

function envoy_on_request(handle)
  if refused_as_kept(handle) then
    return
  end
  if speaks_messages(handle) then
    handle:streamInfo():dynamicMetadata():set("maas.gateway", "messages", true)
    return
  end
  local asked = handle:streamInfo():dynamicMetadata():get("maas.req")
  if asked == nil or not asked["stream"] or path_ends(handle, "/v1/responses$") then
    return
  end
  local body = handle:body()
  if body == nil then
    return
  end
  local text = body:getBytes(0, body:length())
  local replaced = forced(text)
  body:setBytes(replaced)
  if handle:headers():get("content-length") ~= nil then
    handle:headers():replace("content-length", tostring(#replaced))
  end
  if string.find(text, '"continuous_usage_stats"%s*:%s*true') == nil then
    handle:streamInfo():dynamicMetadata():set("maas.gateway", "strip", true)
  end
end

-- Wrappers of the stream's metadata end with each yield, so they are fetched anew.
local function remember(handle, key, value)
  if value == nil then
    return
  end
  handle:streamInfo():dynamicMetadata():set("maas.usage", key, value)
end

local function number_after(usage, key)
  return tonumber(string.match(usage, '"' .. key .. '"%s*:%s*(%d+)'))
end

-- Figures of Anthropic's protocol: the prompt counts what was written to and read from caches beside it; later events state later figures.
local CACHED = { "cache_creation_input_tokens", "cache_read_input_tokens" }

local function add_up(known, usage)
  local prompt = number_after(usage, "input_tokens")
  if prompt ~= nil then
    for _, name in ipairs(CACHED) do
      prompt = prompt + (number_after(usage, name) or 0)
    end
    known.prompt = prompt
  end
  known.completion = number_after(usage, "output_tokens") or known.completion
end

local function charge(handle, known)
  if known.prompt == nil and known.completion == nil then
    return
  end
  remember(handle, "prompt_tokens", known.prompt)
  remember(handle, "completion_tokens", known.completion)
  remember(handle, "total_tokens", (known.prompt or 0) + (known.completion or 0))
end

local USAGE = '"usage"%s*:%s*(%b{})'
local EMPTY_CHOICES = '"choices"%s*:%s*%[%s*%]'

local function without_usage(text)
  local cut, found = string.gsub(text, ',%s*"usage"%s*:%s*%b{}', "")
  if found > 0 then
    return cut
  end
  return (string.gsub(text, '"usage"%s*:%s*%b{}%s*,?', ""))
end

-- Whole lines without the usage that only the gateway asked for; a line with empty choices, the closing one, keeps its own.
local function stripped(text)
  local at = string.find(text, EMPTY_CHOICES)
  if at == nil then
    return without_usage(text)
  end
  local first = string.match(string.sub(text, 1, at), "^.*\n()") or 1
  local last = string.find(text, "\n", at, true) or #text
  return without_usage(string.sub(text, 1, first - 1)) .. string.sub(text, first, last) .. stripped(string.sub(text, last + 1))
end

-- One answer in one piece. Its own usage is the last: what stands before it is text.
local function charge_message(handle)
  local body = handle:body()
  local usage = body and string.match(body:getBytes(0, body:length()), "^.*" .. USAGE)
  if usage ~= nil then
    local known = {}
    add_up(known, usage)
    charge(handle, known)
  end
end

local function charge_message_events(handle)
  local held, known = "", {}
  for chunk in handle:bodyChunks() do
    local text = held .. chunk:getBytes(0, chunk:length())
    local after = string.match(text, "^.*\n()") or 1
    held = string.sub(text, after)
    for usage in string.gmatch(string.sub(text, 1, after - 1), USAGE) do
      add_up(known, usage)
      charge(handle, known)
    end
  end
end

function envoy_on_response(handle)
  local kind = string.lower(handle:headers():get("content-type") or "")
  local events = string.find(kind, "text/event-stream", 1, true) ~= nil
  local about = handle:streamInfo():dynamicMetadata():get("maas.gateway")
  if about ~= nil and about["messages"] == true then
    if about["outside"] == true then
      return
    end
    if events then
      charge_message_events(handle)
    elseif string.find(kind, "application/json", 1, true) ~= nil then
      charge_message(handle)
    end
    return
  end
  if not events then
    return
  end
  local gateway = handle:streamInfo():dynamicMetadata():get("maas.gateway")
  local strip = gateway ~= nil and gateway["strip"] == true
  if strip and handle:headers():get("content-length") ~= nil then
    handle:headers():remove("content-length")
  end
  local held, last, usage = "", nil, nil
  for chunk in handle:bodyChunks() do
    last = chunk
    local text = held .. chunk:getBytes(0, chunk:length())
    local after = string.match(text, "^.*\n()") or 1
    local whole = string.sub(text, 1, after - 1)
    held = string.sub(text, after)
    -- anchored: without it a chunk that holds no usage is searched once from each of its bytes, and the worker stands still
    local found = string.match(whole, "^.*" .. USAGE)
    if strip then
      chunk:setBytes(found and stripped(whole) or whole)
    end
    if found ~= nil and found ~= usage then
      usage = found
      remember(handle, "total_tokens", number_after(usage, "total_tokens"))
    end
  end
  if strip and held ~= "" and last ~= nil then
    last:setBytes(held)
  end
  if usage ~= nil then
    remember(handle, "prompt_tokens", number_after(usage, "prompt_tokens"))
    remember(handle, "completion_tokens", number_after(usage, "completion_tokens"))
  end
end
