def load(path, read, parse, check, lock):
    with lock:
        data = read(path)
        return parse(data)
