package client;

import java.time.Duration;
import java.util.Objects;

final class Settings {
    private final String host;
    private final Duration timeout;
    private final int retries;

    Settings(String host, Duration timeout, int retries) {
        this.host = host;
        this.timeout = Objects.requireNonNull(timeout);
        this.retries = retries;
    }

    String host() {
        return host;
    }

    Duration timeout() {
        return timeout;
    }

    static Settings defaults() {
        return new Settings("localhost", Duration.ofSeconds(30), 3);
    }
}
