package client;

import java.time.Duration;
import java.util.Objects;

final class Settings {
    private final String host;
    private final Duration timeout;

    Settings(String host, Duration timeout) {
        this.host = host;
        this.timeout = Objects.requireNonNull(timeout);
    }

    String host() {
        return host;
    }

    Duration timeout() {
        return timeout;
    }

    static Settings defaults() {
        return new Settings("localhost", Duration.ofSeconds(30));
    }
}
