-- Responses that a model server keeps are not offered: one in the background is generated for nobody's account, fetching one states its
-- usage once more, and whoever knows an id reads what another caller was told. Refused here, before anything is generated or read.
-- Precedes usage.lua, which asks `refused_as_kept` for every request.

-- The path as a model server reads it.
local function path_read(handle)
  local path = string.match(handle:headers():get(":path") or "", "^[^?#]*")
  return (string.gsub(path, "%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end

-- A kept response itself, or one step below it (cancel); what lies deeper is a model whose own path ends in v1/responses.
local function names_kept(path)
  local id = string.match(path, "/v1/responses/+([^/]+)/*[^/]*/*$")
  return id ~= nil and id ~= "v1"
end

local KEPT = { background = true, previous_response_id = true }

-- The first of the outermost members that need a kept response; false and null ask for none. Each counts where there are two of a name,
-- because readers differ in which they take.
local function asks_for_kept(text)
  local depth, at = 0, 1
  while true do
    at = string.find(text, '["{}%[%]]', at)
    if at == nil then
      return nil
    end
    local byte = string.byte(text, at)
    if byte == 34 then
      local after = after_string(text, at)
      if after == nil then
        return nil
      end
      local name = string.sub(spelt_out(string.sub(text, at, after - 1)), 2, -2)
      local value = depth == 1 and KEPT[name] and string.match(text, "^%s*:%s*()", after)
      local word = value and string.match(text, "^%a*", value)
      if word and word ~= "false" and word ~= "null" then
        return name
      end
      at = after
    else
      depth = depth + ((byte == 123 or byte == 91) and 1 or -1)
      at = at + 1
    end
  end
end

local function refuse(handle, status, parameter, words)
  local body = string.format(
    '{"error":{"message":"%s","type":"invalid_request_error","param":"%s","code":%s}}', words, parameter, status)
  handle:respond({ [":status"] = status, ["content-type"] = "application/json" }, body)
  return true
end

-- Whether the request was answered here.
local function refused_as_kept(handle)
  local path = path_read(handle)
  if string.find(path, "/v1/responses", 1, true) == nil then
    return false
  end
  if names_kept(path) then
    return refuse(handle, "404", "response_id", "Kept responses are not offered here: none can be fetched or cancelled later.")
  end
  local body = string.find(path, "/v1/responses/*$") and handle:body()
  if not body then
    return false
  end
  local text = body:getBytes(0, body:length())
  if string.find(text, "\0", 1, true) ~= nil then
    return refuse(handle, "400", "body", "The body has to be JSON in UTF-8.") -- a model server would read UTF-16 as well
  end
  local name = asks_for_kept(text)
  return name ~= nil and refuse(handle, "400", name, "Kept responses are not offered here: leave " .. name .. " away.")
end
