-- Token usage of streamed responses, and nothing that a client did not ask for.
--
-- Request: a streaming call is sent on with stream_options that make the backend report usage in every event, so that an aborted
-- stream is charged for what was generated. The body's text is edited in place: numbers, key order and unknown fields stay as sent.
-- Response (text/event-stream): the last usage seen is the charge. Usage that only the gateway asked for is cut out of the events;
-- the closing event with empty choices stays, as it does behind the platform's own enforcer.
-- Responses and messages state their usage unasked, as a part of their protocol: there nothing is asked for, and nothing is cut out.
--
-- An unescaped `"usage":` cannot occur inside a JSON string, so plain patterns are exact on serialised JSON.

local FORCED = '"stream_options":{"include_usage":true,"continuous_usage_stats":true}'

local function states_usage_unasked(handle)
  local path = string.match(handle:headers():get(":path") or "", "^[^?]*")
  return string.find(path, "/v1/responses$") ~= nil or string.find(path, "/v1/messages$") ~= nil
end

function envoy_on_request(handle)
  local asked = handle:streamInfo():dynamicMetadata():get("maas.req")
  if asked == nil or not asked["stream"] or states_usage_unasked(handle) then
    return
  end
  local body = handle:body()
  if body == nil then
    return
  end
  local text = body:getBytes(0, body:length())
  local replaced, found = string.gsub(text, '"stream_options"%s*:%s*%b{}', FORCED)
  if found == 0 then
    replaced, found = string.gsub(text, '"stream_options"%s*:%s*null', FORCED)
  end
  if found == 0 then
    replaced, found = string.gsub(text, '}%s*$', function() return ',' .. FORCED .. '}' end)
  end
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

function envoy_on_response(handle)
  local kind = handle:headers():get("content-type")
  if kind == nil or string.find(string.lower(kind), "text/event-stream", 1, true) == nil then
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
