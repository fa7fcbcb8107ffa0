-- Token usage of streamed responses, and nothing that a client did not ask for.
--
-- Request: a streaming call is sent on with stream_options that make the backend report usage in every event, so that an aborted
-- stream is charged for what was generated. The body's text is edited in place: numbers, key order and unknown fields stay as sent.
-- Response (text/event-stream): the last usage seen is the charge. Usage that only the gateway asked for is cut out of the events;
-- the closing event with empty choices stays, as it does behind the platform's own enforcer.
--
-- An unescaped `"usage":` cannot occur inside a JSON string, so plain patterns are exact on serialised JSON.

local FORCED = '"stream_options":{"include_usage":true,"continuous_usage_stats":true}'

function envoy_on_request(handle)
  local asked = handle:streamInfo():dynamicMetadata():get("maas.req")
  if asked == nil or asked["stream"] ~= true then
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
  if asked["continuous"] ~= true then
    handle:streamInfo():dynamicMetadata():set("maas.gateway", "strip", true)
  end
end

-- Wrappers of the stream's metadata end with each yield, so they are fetched anew.
local function remember(handle, key, value)
  handle:streamInfo():dynamicMetadata():set("maas.usage", key, value)
end

local function number_after(usage, key)
  return tonumber(string.match(usage, '"' .. key .. '"%s*:%s*(%d+)'))
end

local function without_usage(line)
  if string.find(line, '"choices"%s*:%s*%[%s*%]') then
    return line
  end
  local cut, found = string.gsub(line, ',%s*"usage"%s*:%s*%b{}', "", 1)
  if found == 0 then
    cut = string.gsub(line, '"usage"%s*:%s*%b{}%s*,?', "", 1)
  end
  return cut
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
  local held, last, usage, told = "", nil, nil, nil
  for chunk in handle:bodyChunks() do
    last = chunk
    local text = held .. chunk:getBytes(0, chunk:length())
    local out = {}
    local at = 1
    while true do
      local newline = string.find(text, "\n", at, true)
      if newline == nil then
        break
      end
      local line = string.sub(text, at, newline)
      at = newline + 1
      local found = string.match(line, '"usage"%s*:%s*(%b{})')
      if found ~= nil then
        usage = found
        if strip then
          line = without_usage(line)
        end
      end
      out[#out + 1] = line
    end
    held = string.sub(text, at)
    if strip then
      chunk:setBytes(table.concat(out))
    end
    if usage ~= nil and usage ~= told then
      local total = number_after(usage, "total_tokens")
      if total ~= nil then
        remember(handle, "total_tokens", total)
      end
      told = usage
    end
  end
  if strip and held ~= "" and last ~= nil then
    last:setBytes(held)
  end
  if usage ~= nil then
    remember(handle, "prompt_tokens", number_after(usage, "prompt_tokens") or 0)
    remember(handle, "completion_tokens", number_after(usage, "completion_tokens") or 0)
  end
end
