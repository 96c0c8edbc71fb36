-- Neovim 0.7 to 0.10. Newer ones: neovim.lua.
local function attached(client, buffer)
  local function map(keys, action, description)
    vim.keymap.set('n', keys, action, { buffer = buffer, desc = description })
  end
  local function accept_sure()
    local file = { uri = vim.uri_from_bufnr(buffer) }
    client.request('workspace/executeCommand', { command = 'mergebert.acceptSure', arguments = { file } }, nil, buffer)
  end
  local function jump(to)
    return function()
      to({ namespace = vim.lsp.diagnostic.get_namespace(client.id) })
    end
  end
  map(']x', jump(vim.diagnostic.goto_next), 'next conflict in this file')
  map('[x', jump(vim.diagnostic.goto_prev), 'previous conflict in this file')
  map('<leader>ma', accept_sure, 'accept what is sure in this file')
  map('<leader>mr', vim.lsp.buf.code_action, 'resolve the conflict here')
end

local clients = {} -- root folder -> id of its server

vim.api.nvim_create_autocmd({ 'BufReadPost', 'FileChangedShellPost' }, {
  group = vim.api.nvim_create_augroup('mergebert', {}),
  callback = function(read)
    -- Only where there are conflict markers.
    if vim.bo[read.buf].buftype ~= '' or vim.fn.search([[^<<<<<<<]], 'nw') == 0 then
      return
    end
    local folder = vim.fn.fnamemodify(read.match, ':p:h')
    local git = vim.fn.finddir('.git', folder .. ';')
    local root = git ~= '' and vim.fn.fnamemodify(git, ':p:h:h') or folder
    if not clients[root] or not vim.lsp.get_client_by_id(clients[root]) then
      clients[root] = vim.lsp.start_client({
        name = 'mergebert',
        cmd = { 'mergebert-lsp' },
        root_dir = root,
        init_options = { suggestions = 3 },
        on_attach = attached,
      })
    end
    vim.lsp.buf_attach_client(read.buf, clients[root])
  end,
})
