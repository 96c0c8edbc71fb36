;;; -*- lexical-binding: t -*-
;; Plays a person at a conflicted file: waits for the diagnostics, takes a code action at each line of PLAN,
;; saves after each, and writes what was seen to REPORT.
(require 'json)
(defvar plan (json-read-from-string (getenv "PLAN")))
(defvar seen-diagnostics [])
(defvar seen-titles [])
(defvar seen-messages [])

(defun wait-for (what condition)
  (let ((end (+ (float-time) 60)))
    (while (and (not (funcall condition)) (< (float-time) end))
      (accept-process-output nil 0.02))
    (unless (funcall condition)
      (setq seen-messages (vconcat seen-messages (list (concat "waited in vain for " what)))))))

(defun marks ()
  (save-excursion (goto-char (point-min)) (how-many "^<<<<<<<")))

(defun diagnostics ()
  (flymake-start)
  (flymake-diagnostics))

(defun is-ranked ()
  "Whether every conflict has its diagnostic, and the model has said what it thinks of it."
  (let ((found (diagnostics)))
    (and (= (length found) (marks))
         (not (seq-find (lambda (one) (string-match-p "No suggestion yet" (flymake-diagnostic-text one))) found)))))

(defun choose (title)
  "Take the code action at point with this title."
  (let ((last-nonmenu-event t)) ; asked in the minibuffer, not in a menu of the mouse
    (cl-letf (((symbol-function 'completing-read)
               (lambda (_prompt collection &rest _)
                 (let ((titles (all-completions "" collection)))
                   (setq seen-titles (vconcat seen-titles (list (vconcat titles))))
                   (seq-find (lambda (one) (string-match-p title one)) titles)))))
      (call-interactively #'eglot-code-actions))))

(defun take (line action left)
  "At LINE, take the code action or run the command ACTION, after which LEFT conflicts are left."
  (goto-char (point-min))
  (forward-line (1- line))
  (cl-letf (((symbol-function 'y-or-n-p) #'always)) ; Emacs asks before it takes edits from a server
    (if (string-prefix-p "^" action)
        (choose action)
      (call-interactively (intern action))))
  (wait-for (concat "the edit of " action) (lambda () (= (marks) left)))
  (save-buffer) ; tells the server at once what it would hear when Emacs is idle
  (wait-for (concat "fresh diagnostics after " action) #'is-ranked))

(find-file (getenv "FILE"))
(run-hooks 'post-command-hook)
(wait-for "the server" (lambda () (and (fboundp 'eglot-managed-p) (eglot-managed-p))))
(wait-for "ranked diagnostics" #'is-ranked)
(setq seen-diagnostics
      (vconcat (mapcar (lambda (one) `((line . ,(line-number-at-pos (flymake-diagnostic-beg one)))
                                       (message . ,(flymake-diagnostic-text one))))
                       (diagnostics))))
(mapc (lambda (step) (take (aref step 0) (aref step 1) (aref step 2))) plan)
(let ((report `((diagnostics . ,seen-diagnostics) (titles . ,seen-titles) (messages . ,seen-messages)
                (left . ,(length (diagnostics))))))
  (write-region (json-encode report) nil (getenv "REPORT")))
(kill-emacs)
