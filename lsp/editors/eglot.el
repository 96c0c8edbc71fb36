;;; mergebert with eglot (part of Emacs 29, a package before that)  -*- lexical-binding: t -*-
;; eglot gives a buffer one server.  While a file holds conflicts, that is mergebert; when they are gone,
;; M-x mergebert-done gives the buffer back to the server of its language.
(require 'eglot)
(require 'smerge-mode)

(defun mergebert-start ()
  "Let mergebert serve this buffer."
  (interactive)
  (when (and buffer-file-name (save-excursion (goto-char (point-min)) (re-search-forward "^<<<<<<<" nil t)))
    (setq-local eglot-server-programs `((,major-mode . ("mergebert-lsp"))))
    (setq-local eglot-workspace-configuration '(:mergebert (:suggestions 3)))
    (eglot-ensure)))

(defun mergebert-done ()
  "Give this buffer back to the server of its language."
  (interactive)
  (eglot-shutdown (eglot-current-server))
  (kill-local-variable 'eglot-server-programs))

(defun mergebert-accept-sure ()
  "Accept what mergebert is sure of in this file."
  (interactive)
  (eglot-execute-command (eglot-current-server) 'mergebert.acceptSure
                         (vector (eglot--TextDocumentIdentifier))))

;; Emacs turns smerge-mode on in every file that git reports as conflicted.
(add-hook 'smerge-mode-hook #'mergebert-start)

(define-key smerge-mode-map (kbd "C-c ^ s") #'eglot-code-actions)
(define-key smerge-mode-map (kbd "C-c ^ S") #'mergebert-accept-sure)
