using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Validation;

/// <summary>Checks the options when the application starts.</summary>
internal sealed class EventLoopTransportOptionsValidator : IValidateOptions<EventLoopTransportOptions>
{
    private static readonly TimeSpan _leastThreshold = TimeSpan.FromMicroseconds(100);
    private static readonly TimeSpan _mostThreshold = TimeSpan.FromSeconds(1);

    public ValidateOptionsResult Validate(string? name, EventLoopTransportOptions options)
    {
        var result = new ValidateOptionsResultBuilder();
        CheckRange(result, nameof(options.EventLoopCount), options.EventLoopCount, 1, 1024);
        CheckRange(result, nameof(options.MaxStandbyThreads), options.MaxStandbyThreads, options.EventLoopCount, 32767);
        if (options.HandOffThreshold < _leastThreshold || options.HandOffThreshold > _mostThreshold)
        {
            result.AddError($"{nameof(EventLoopTransportOptions)}.{nameof(options.HandOffThreshold)} is {options.HandOffThreshold}; it must be from {_leastThreshold} to {_mostThreshold}.");
        }

        if (!Enum.IsDefined(options.Scheduling))
        {
            var allowed = string.Join(", ", Enum.GetNames<ApplicationScheduling>());
            result.AddError($"{nameof(EventLoopTransportOptions)}.{nameof(options.Scheduling)} is {(int)options.Scheduling}; it must be one of {allowed}.");
        }

        CheckEndpoints(result, options);
        return result.Build();
    }

    private static void CheckEndpoints(ValidateOptionsResultBuilder result, EventLoopTransportOptions options)
    {
        var defaults = EndpointOptionsValidator.Check(options);
        foreach (var (option, problem) in defaults)
        {
            result.AddError($"{nameof(EventLoopTransportOptions)}.{option} is {problem}.");
        }

        foreach (var configured in options.GetOverrides())
        {
            // What is wrong with the defaults has been said. Each of the endpoints may be configured by other overrides
            // too.
            var problems = configured.EndPoints.SelectMany(endPoint => EndpointOptionsValidator.Check(options.For(endPoint, configured.KestrelName)));
            foreach (var (option, problem) in problems.Distinct().Except(defaults))
            {
                result.AddError($"{nameof(EventLoopTransportOptions)}.{option} of {configured.Name} is {problem}.");
            }
        }
    }

    private static void CheckRange(ValidateOptionsResultBuilder result, string option, long value, long least, long most)
    {
        if (value < least || value > most)
        {
            result.AddError($"{nameof(EventLoopTransportOptions)}.{option} is {value}; it must be from {least} to {most}.");
        }
    }
}
