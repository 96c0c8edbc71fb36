def load(path, read, parse, check, lock):
    with lock:
        data = read(path)
        check(data)
        return parse(data)
