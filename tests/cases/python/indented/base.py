def load(path, read, parse, lock):
    data = read(path)
    return parse(data)
