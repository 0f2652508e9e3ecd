using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Validation;

/// <summary>Checks the options when they are read: at the start, and after a reload of the configuration.</summary>
internal sealed class EventLoopTransportOptionsValidator : IValidateOptions<EventLoopTransportOptions>
{
    private const string EndpointDefaults
        = $"{nameof(EventLoopTransportOptions)}.{nameof(EventLoopTransportOptions.EndpointDefaults)}";

    private const string MaxStandbyThreads
        = $"{nameof(EventLoopTransportOptions.Adaptive)}.{nameof(AdaptiveSchedulingOptions.MaxStandbyThreads)}";

    private const string HandOffThreshold
        = $"{nameof(EventLoopTransportOptions.Adaptive)}.{nameof(AdaptiveSchedulingOptions.HandOffThreshold)}";

    private static readonly TimeSpan _minThreshold = TimeSpan.FromMicroseconds(100);
    private static readonly TimeSpan _maxThreshold = TimeSpan.FromSeconds(1);

    public ValidateOptionsResult Validate(string? name, EventLoopTransportOptions options)
    {
        var result = new ValidateOptionsResultBuilder();
        CheckRange(result, nameof(options.EventLoopCount), options.EventLoopCount, 1, 1024);
        CheckRange(result, MaxStandbyThreads, options.MaxStandbyThreads, options.EventLoopCount, 32767);
        var threshold = options.Adaptive.HandOffThreshold;
        if (threshold < _minThreshold || threshold > _maxThreshold)
        {
            Add(result, HandOffThreshold, $"{threshold}; it must be from {_minThreshold} to {_maxThreshold}");
        }

        if (!Enum.IsDefined(options.Scheduling))
        {
            var names = string.Join(", ", Enum.GetNames<ApplicationScheduling>());
            Add(result, nameof(options.Scheduling), $"{(int)options.Scheduling}; it must be one of {names}");
        }

        CheckEndpoints(result, options);
        return result.Build();
    }

    private static void CheckEndpoints(ValidateOptionsResultBuilder result, EventLoopTransportOptions options)
    {
        var defaults = EndpointOptionsValidator.Check(options.EndpointDefaults);
        foreach (var (option, problem) in defaults)
        {
            result.AddError($"{EndpointDefaults}.{option} is {problem}.");
        }

        foreach (var configured in options.GetOverrides())
        {
            // Several overrides may apply to each of the endpoints. Problems of the defaults are not repeated.
            var problems = configured.EndPoints
                .SelectMany(endPoint => EndpointOptionsValidator.Check(options.For(endPoint, configured.KestrelName)))
                .Distinct()
                .Except(defaults);
            foreach (var (option, problem) in problems)
            {
                result.AddError($"{nameof(EndpointOptions)}.{option} of {configured.Name} is {problem}.");
            }
        }
    }

    private static void CheckRange(ValidateOptionsResultBuilder result, string option, long value, long min, long max)
    {
        if (value < min || value > max)
        {
            Add(result, option, $"{value}; it must be from {min} to {max}");
        }
    }

    private static void Add(ValidateOptionsResultBuilder result, string option, string problem)
        => result.AddError($"{nameof(EventLoopTransportOptions)}.{option} is {problem}.");
}
