using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Validation;

/// <summary>Checks the options of a client when its factory is resolved.</summary>
internal sealed class EventLoopClientOptionsValidator : IValidateOptions<EventLoopClientOptions>
{
    private const string ForListening = "it applies to listening sockets and must be null";

    private static readonly TimeSpan _minTimeout = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan _maxTimeout = TimeSpan.FromDays(1);
    private static readonly TimeSpan _minDelay = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan _maxDelay = TimeSpan.FromMinutes(1);

    public ValidateOptionsResult Validate(string? name, EventLoopClientOptions options)
    {
        var result = new ValidateOptionsResultBuilder();
        if (CheckConnectTimeout(options.ConnectTimeout) is { } timeout)
        {
            Add(result, nameof(options.ConnectTimeout), timeout);
        }

        if (CheckFallbackDelay(options.FallbackDelay) is { } delay)
        {
            Add(result, nameof(options.FallbackDelay), delay);
        }

        if (options.Tcp.FastOpenQueue is { } queue)
        {
            Add(result, "Tcp.FastOpenQueue", $"{queue}; {ForListening}");
        }

        if (options.Tcp.DeferAccept is { } defer)
        {
            Add(result, "Tcp.DeferAccept", $"{defer}; {ForListening}");
        }

        foreach (var (option, problem) in EndpointOptionsValidator.Check(options.ToSocketOptions()))
        {
            Add(result, option, problem);
        }

        return result.Build();
    }

    /// <summary>What is wrong with it, after "is"; <see langword="null"/> for nothing.</summary>
    internal static string? CheckConnectTimeout(TimeSpan value)
        => value == Timeout.InfiniteTimeSpan || (value >= _minTimeout && value <= _maxTimeout)
            ? null
            : $"{value}; it must be from {_minTimeout} to {_maxTimeout}, or infinite ({Timeout.InfiniteTimeSpan})";

    /// <inheritdoc cref="CheckConnectTimeout"/>
    internal static string? CheckFallbackDelay(TimeSpan value)
        => value < TimeSpan.Zero || (value >= _minDelay && value <= _maxDelay)
            ? null
            : $"{value}; it must be from {_minDelay} to {_maxDelay}, or negative";

    private static void Add(ValidateOptionsResultBuilder result, string option, string problem)
        => result.AddError($"{nameof(EventLoopClientOptions)}.{option} is {problem}.");
}
