-- What a provider outside is asked, and what its answers cost. Runs in the upstream of one provider, behind the other filters.
-- Facts that precede this text: MODEL (a JSON string), FORMAT (openai or messages), PATH (or empty), COUNTS_ON.
--
-- Request: inference alone goes out. With the platform's key a caller could else read what others stored at the provider, or spend there
-- what no usage tells of. The model gets the provider's name for it, edited in place: numbers, key order and unknown fields stay as sent.
-- Response: usage by either protocol becomes the charge. Providers state it at the end of a stream: until then, and for a stream that a
-- caller leaves before, the charge is what is known to be due at least, one token for each piece of text. A provider that refuses the
-- platform's own key is an upstream's fault: a caller who saw the 401 would doubt their own key, and the provider's words may quote ours.

local USUAL = { openai = "/v1/chat/completions", messages = "/v1/messages" }
local CONTINUOUS = ',"continuous_usage_stats":true'
local INFERENCE = {
  ["POST /v1/chat/completions"] = true,
  ["POST /v1/completions"] = true,
  ["POST /v1/embeddings"] = true,
  ["POST /v1/responses"] = true,
  ["POST /v1/messages"] = true,
  ["POST /v1/messages/count_tokens"] = true,
  ["GET /v1/models"] = true,
}
local NOT_FOUND = {
  openai = '{"error":{"message":"This path of the provider is not offered here.","type":"invalid_request_error","param":null,"code":404}}',
  messages = '{"type":"error","error":{"type":"not_found_error","message":"This path of the provider is not offered here."}}',
}
local PIECES = { "content", "text", "reasoning", "reasoning_content", "thinking", "arguments", "partial_json" }
local CACHED = { "cache_creation_input_tokens", "cache_read_input_tokens" }
local REFUSED = {
  openai = '{"error":{"message":"The provider refused the credential of this platform.","type":"upstream_error","param":null,"code":502}}',
  messages = '{"type":"error","error":{"type":"api_error","message":"The provider refused the credential of this platform."}}',
}

-- Where the value of an outermost member begins, if it is a string and the one from `at` to before `after` is its name.
local function model_at(text, at, after)
  return spelt_out(string.sub(text, at, after - 1)) == '"model"' and string.match(text, '^%s*:%s*()"', after)
end

-- Each string value of the outermost object's `model` becomes MODEL: a key of that name further inside is somebody else's.
local function renamed(text)
  local parts, kept, depth, at = {}, 1, 0, 1
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
      local value = depth == 1 and model_at(text, at, after)
      local done = value and after_string(text, value)
      if done then
        parts[#parts + 1] = string.sub(text, kept, value - 1) .. MODEL
        kept, at = done, done
      else
        at = after
      end
    else
      depth = depth + ((byte == 123 or byte == 91) and 1 or -1)
      at = at + 1
    end
  end
  return table.concat(parts) .. string.sub(text, kept)
end

local function offered(handle)
  local path, query = string.match(handle:headers():get(":path"), "^([^?]*)(.*)$")
  if not INFERENCE[handle:headers():get(":method") .. " " .. path] then
    return false
  end
  if PATH ~= "" and path == USUAL[FORMAT] then
    handle:headers():replace(":path", PATH .. query)
  end
  return true
end

function envoy_on_request(handle)
  handle:streamInfo():dynamicMetadata():set("maas.gateway", "outside", true)
  if not offered(handle) then
    handle:respond({ [":status"] = "404", ["content-type"] = "application/json" }, NOT_FOUND[FORMAT])
    return
  end
  local body = handle:body()
  if body == nil then
    return
  end
  local text = renamed(body:getBytes(0, body:length()))
  if not COUNTS_ON then
    text = string.gsub(text, '("stream_options"%s*:%s*%b{})', function(options)
      return (string.gsub(options, CONTINUOUS, ""))
    end)
  end
  body:setBytes(text)
  if handle:headers():get("content-length") ~= nil then
    handle:headers():replace("content-length", tostring(#text))
  end
end

-- Wrappers of the stream's metadata end with each yield, so they are fetched anew.
local function remember(handle, key, value)
  if value ~= nil then
    handle:streamInfo():dynamicMetadata():set("maas.usage", key, value)
  end
end

local function number(usage, key)
  return tonumber(string.match(usage, '"' .. key .. '"%s*:%s*(%d+)'))
end

-- Figures of one usage object over what is known so far; later events of a stream state later figures.
local function counted(known, usage)
  local prompt = number(usage, "prompt_tokens") or number(usage, "input_tokens")
  if prompt ~= nil and number(usage, "prompt_tokens") == nil and number(usage, "total_tokens") == nil then
    for _, name in ipairs(CACHED) do
      prompt = prompt + (number(usage, name) or 0)
    end
  end
  known.prompt = prompt or known.prompt
  known.completion = number(usage, "completion_tokens") or number(usage, "output_tokens") or known.completion
  known.total = number(usage, "total_tokens")
end

local function charge(handle, known)
  remember(handle, "prompt_tokens", known.prompt)
  remember(handle, "completion_tokens", known.completion)
  if known.prompt ~= nil or known.total ~= nil then
    remember(handle, "total_tokens", known.total or known.prompt + (known.completion or 0))
  end
end

local function has_text(line)
  for _, name in ipairs(PIECES) do
    if string.find(line, '"' .. name .. '"%s*:%s*"[^"]') then
      return true
    end
  end
  return false
end

local function charge_events(handle)
  local held, known, pieces = "", {}, 0
  for chunk in handle:bodyChunks() do
    local text = held .. chunk:getBytes(0, chunk:length())
    local after = string.match(text, "^.*\n()") or 1
    for line in string.gmatch(string.sub(text, 1, after - 1), "data:[^\n]*") do
      local usage = string.match(line, '"usage"%s*:%s*(%b{})')
      if usage ~= nil then
        counted(known, usage)
        known.settled = known.settled or known.total ~= nil or string.find(line, '"message_delta"', 1, true) ~= nil
      elseif has_text(line) then
        pieces = pieces + 1
      end
    end
    held = string.sub(text, after)
    if not known.settled and pieces > 0 then
      known.prompt, known.completion = known.prompt or 0, math.max(known.completion or 0, pieces)
    end
    charge(handle, known)
  end
end

local function charge_document(handle)
  local parts, known = {}, {}
  for chunk in handle:bodyChunks() do
    parts[#parts + 1] = chunk:getBytes(0, chunk:length())
  end
  local usage = string.match(table.concat(parts), '^.*"usage"%s*:%s*(%b{})')
  if usage ~= nil then
    counted(known, usage)
    charge(handle, known)
  end
end

local function refuse(handle)
  local headers = handle:headers()
  headers:replace(":status", "502")
  headers:replace("content-type", "application/json")
  headers:remove("www-authenticate")
  local body = handle:body(true)
  local size = body:setBytes(REFUSED[FORMAT])
  handle:headers():replace("content-length", tostring(size))
end

function envoy_on_response(handle)
  local status, kind = handle:headers():get(":status"), string.lower(handle:headers():get("content-type") or "")
  if status == "401" or status == "403" then
    refuse(handle)
  elseif string.find(kind, "text/event-stream", 1, true) then
    charge_events(handle)
  elseif status == "200" and string.find(kind, "json", 1, true) then
    charge_document(handle)
  end
end
