using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Validation;

/// <summary>Checks the options of a transport with a key when it is resolved.</summary>
internal sealed class KeyedTransportOptionsValidator : IValidateOptions<EndpointOptions>
{
    public ValidateOptionsResult Validate(string? name, EndpointOptions options)
    {
        var result = new ValidateOptionsResultBuilder();
        foreach (var (option, problem) in EndpointOptionsValidator.Check(options))
        {
            result.AddError($"{nameof(EndpointOptions)}.{option} of {name} is {problem}.");
        }

        return result.Build();
    }
}
