-- Plays a person at a conflicted file: waits for the diagnostics, takes a code action or presses keys at each line
-- of PLAN, saves, and writes what was seen to REPORT. Runs in any Neovim from 0.7 on.
local plan = vim.fn.json_decode(vim.env.PLAN) -- {{line, title or keys, conflicts that are then left}, ...}
local seen = { diagnostics = {}, titles = {}, places = {}, messages = {} }

vim.notify = function(message)
  table.insert(seen.messages, message)
end

vim.lsp.handlers['window/showMessage'] = function(_, shown)
  table.insert(seen.messages, shown.message)
end

local function marks()
  return #vim.fn.filter(vim.api.nvim_buf_get_lines(0, 0, -1, false), [[v:val =~ '^<<<<<<<']])
end

local function wait_for(what, condition)
  if not vim.wait(60000, condition, 20) then
    table.insert(seen.messages, 'waited in vain for ' .. what)
  end
end

local function diagnostics()
  return vim.tbl_filter(function(one)
    return one.source == 'mergebert'
  end, vim.diagnostic.get(0))
end

-- Whether every conflict has its diagnostic, and the model has said what it thinks of it.
local function is_ranked()
  local unranked = vim.tbl_filter(function(one)
    return one.message:find('No suggestion yet') ~= nil
  end, diagnostics())
  return #diagnostics() == marks() and #unranked == 0
end

local function choose(title)
  vim.ui.select = function(items, options, choice)
    local titles = {}
    for _, item in ipairs(items) do
      table.insert(titles, (options.format_item(item))) -- it may answer with two values
    end
    table.insert(seen.titles, titles)
    for index, item in ipairs(items) do
      if titles[index]:find(title) then
        return choice(item, index)
      end
    end
    table.insert(seen.messages, 'no action is called ' .. title)
  end
  vim.lsp.buf.code_action()
end

local function press(keys)
  vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes(keys, true, false, true), 'xt', false)
end

local function take(step)
  local line, action, left = unpack(step)
  local before = marks()
  vim.api.nvim_win_set_cursor(0, { line, 0 })
  if vim.startswith(action, '^') then
    choose(action)
  else
    press(action)
  end
  wait_for(action, function()
    local moved = marks() < before or vim.api.nvim_win_get_cursor(0)[1] ~= line
    return marks() == left and moved and is_ranked()
  end)
  table.insert(seen.places, vim.api.nvim_win_get_cursor(0)[1])
end

local function play()
  if vim.env.MERGE then -- a merge that comes while the file is open
    vim.o.autoread = true
    vim.fn.system({ 'git', 'merge', vim.env.MERGE })
    vim.cmd('checktime')
  end
  wait_for('ranked diagnostics', is_ranked)
  for _, one in ipairs(diagnostics()) do
    table.insert(seen.diagnostics, { line = one.lnum + 1, message = one.message, code = one.code, severity = one.severity })
  end
  for _, step in ipairs(plan) do
    take(step)
  end
  seen.left = #diagnostics()
  vim.cmd('write')
end

local fine, problem = pcall(play)
if not fine then
  table.insert(seen.messages, problem)
end
vim.fn.writefile({ vim.fn.json_encode(seen) }, vim.env.REPORT)
vim.cmd('qall!')
