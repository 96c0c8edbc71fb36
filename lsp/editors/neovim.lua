-- Neovim 0.11 and newer. Older ones: neovim-0.7.lua.
vim.lsp.config('mergebert', {
  cmd = { 'mergebert-lsp' },
  -- No `filetypes`: it joins the servers of every language, but only where there are conflict markers.
  root_dir = function(buffer, start)
    local marked = vim.api.nvim_buf_call(buffer, function()
      return vim.fn.search([[^<<<<<<<]], 'nw') > 0
    end)
    if marked then
      start(vim.fs.root(buffer, { '.git', '.jj' }) or vim.fs.dirname(vim.api.nvim_buf_get_name(buffer)))
    end
  end,
  init_options = { suggestions = 3 },
})
vim.lsp.enable('mergebert')

vim.api.nvim_create_autocmd('LspAttach', {
  group = vim.api.nvim_create_augroup('mergebert', {}),
  callback = function(attached)
    local client = vim.lsp.get_client_by_id(attached.data.client_id)
    if not client or client.name ~= 'mergebert' then
      return
    end
    local buffer = attached.buf
    local function run(command)
      return function()
        local place = { uri = vim.uri_from_bufnr(buffer), line = vim.api.nvim_win_get_cursor(0)[1] - 1 }
        client:exec_cmd({ title = command, command = command, arguments = { place } }, { bufnr = buffer })
      end
    end
    local function map(keys, action, description)
      vim.keymap.set('n', keys, action, { buffer = buffer, desc = description })
    end
    map(']x', run('mergebert.next'), 'next conflict of the merge')
    map('[x', run('mergebert.previous'), 'previous conflict of the merge')
    map('<leader>ma', run('mergebert.acceptSure'), 'accept what is sure in this file')
    map('<leader>mr', function()
      vim.lsp.buf.code_action({ context = { only = { 'quickfix.mergebert' }, diagnostics = {} } })
    end, 'resolve the conflict here')
    vim.lsp.inlay_hint.enable(true, { bufnr = buffer })
  end,
})
