using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport;

/// <summary>Checks the options when the application starts.</summary>
internal sealed class EventLoopTransportOptionsValidator : IValidateOptions<EventLoopTransportOptions>
{
    private static readonly TimeSpan _leastThreshold = TimeSpan.FromMicroseconds(100);
    private static readonly TimeSpan _mostThreshold = TimeSpan.FromSeconds(1);

    public ValidateOptionsResult Validate(string? name, EventLoopTransportOptions options)
    {
        var result = new ValidateOptionsResultBuilder();
        CheckRange(result, nameof(options.EventLoopCount), options.EventLoopCount, 1, 1024);
        CheckRange(result, nameof(options.Backlog), options.Backlog, 1, int.MaxValue);
        CheckRange(result, nameof(options.MaxStandbyThreads), options.MaxStandbyThreads, options.EventLoopCount, 32767);
        if (options.HandOffThreshold < _leastThreshold || options.HandOffThreshold > _mostThreshold)
        {
            result.AddError($"{nameof(EventLoopTransportOptions)}.{nameof(options.HandOffThreshold)} is {options.HandOffThreshold}; it must be from {_leastThreshold} to {_mostThreshold}.");
        }
        CheckBufferSize(result, nameof(options.MaxReadBufferSize), options.MaxReadBufferSize);
        CheckBufferSize(result, nameof(options.MaxWriteBufferSize), options.MaxWriteBufferSize);
        if (!Enum.IsDefined(options.Scheduling))
        {
            var allowed = string.Join(", ", Enum.GetNames<ApplicationScheduling>());
            result.AddError($"{nameof(EventLoopTransportOptions)}.{nameof(options.Scheduling)} is {(int)options.Scheduling}; it must be one of {allowed}.");
        }
        return result.Build();
    }

    private static void CheckRange(ValidateOptionsResultBuilder result, string option, long value, long least, long most)
    {
        if (value < least || value > most)
        {
            result.AddError($"{nameof(EventLoopTransportOptions)}.{option} is {value}; it must be from {least} to {most}.");
        }
    }

    private static void CheckBufferSize(ValidateOptionsResultBuilder result, string option, long? value)
    {
        if (value < 0)
        {
            result.AddError($"{nameof(EventLoopTransportOptions)}.{option} is {value}; it must be at least 1, or null or 0 for unlimited.");
        }
    }
}
