using Mono.Cecil;
using Mono.Cecil.Cil;

namespace KestrelEventLoopTransport.Tests.Layers;

/// <summary>
/// The folders of the transport's types, and which folder refers to which. A type lies in the file of its name, and
/// its references are those of the compiled code: signatures, fields, attributes and what methods call.
/// </summary>
internal sealed class FolderMap : IDisposable
{
    private readonly AssemblyDefinition _assembly = AssemblyDefinition.ReadAssembly(
        typeof(EventLoopTransportFactory).Assembly.Location);
    private readonly Dictionary<string, string> _folders = [];

    internal FolderMap()
    {
        foreach (var file in Directory.EnumerateFiles(Repository.Transport, "*.cs", SearchOption.AllDirectories))
        {
            var folder = Path.GetRelativePath(Repository.Transport, Path.GetDirectoryName(file)!).Replace('\\', '/');
            if (folder.Split('/')[0] is not ("obj" or "bin"))
            {
                _folders[Path.GetFileName(file).Split('.')[0]] = folder == "." ? "" : folder;
            }
        }
    }

    /// <summary>Types of the source that have no file of their name.</summary>
    internal IEnumerable<string> Homeless
        => OwnTypes.Select(type => type.Name.Split('`')[0]).Where(name => !_folders.ContainsKey(name));

    internal IEnumerable<TypeDefinition> PublicTypes => OwnTypes.Where(type => type.IsPublic);

    /// <summary>Methods that call into a native library, by the folder that they lie in.</summary>
    internal IEnumerable<(string Folder, string Method)> Imports
        => from type in OwnTypes.SelectMany(WithNested)
           from method in type.Methods
           where method.IsPInvokeImpl
           select (FolderOf(type)!, method.FullName);

    /// <summary>References from one folder to another, each with the types.</summary>
    internal IEnumerable<(string From, string To, string Reference)> References
        => from type in OwnTypes
           let fromFolder = FolderOf(type)
           from other in WithNested(type).SelectMany(ReferencesOf).Distinct()
           let toFolder = FolderOf(other)
           where fromFolder is not null && toFolder is not null && fromFolder != toFolder
           select (fromFolder, toFolder, $"{type.Name} -> {other.Name}");

    // What the compiler makes (source generators, anonymous types) has names with < or lies in other namespaces.
    private IEnumerable<TypeDefinition> OwnTypes
        => _assembly.MainModule.Types.Where(type => !type.Name.Contains('<', StringComparison.Ordinal)
            && !type.CustomAttributes.Any(attribute => attribute.AttributeType.Name == "CompilerGeneratedAttribute")
            && !type.Namespace.StartsWith("System", StringComparison.Ordinal)
            && !type.Namespace.StartsWith("Microsoft.CodeAnalysis", StringComparison.Ordinal)
            && !type.Namespace.StartsWith("Microsoft.Extensions.Configuration", StringComparison.Ordinal));

    internal string FolderOfName(string type) => _folders[type.Split('`')[0]];

    public void Dispose() => _assembly.Dispose();

    private string? FolderOf(TypeReference type)
    {
        while (type.DeclaringType is not null)
        {
            type = type.DeclaringType;
        }

        return type.Scope == _assembly.MainModule && _folders.TryGetValue(type.Name.Split('`')[0], out var folder)
            ? folder
            : null;
    }

    private static IEnumerable<TypeDefinition> WithNested(TypeDefinition type)
        => type.NestedTypes.SelectMany(WithNested).Prepend(type);

    private static IEnumerable<TypeReference> ReferencesOf(TypeDefinition type)
        => Direct(type).OfType<TypeReference>().SelectMany(Flatten);

    private static IEnumerable<TypeReference?> Direct(TypeDefinition type)
    {
        yield return type.BaseType;
        foreach (var implemented in type.Interfaces)
        {
            yield return implemented.InterfaceType;
        }

        foreach (var field in type.Fields)
        {
            yield return field.FieldType;
        }

        foreach (var method in type.Methods)
        {
            yield return method.ReturnType;
            foreach (var parameter in method.Parameters)
            {
                yield return parameter.ParameterType;
            }

            foreach (var reference in method.HasBody ? InBody(method.Body) : [])
            {
                yield return reference;
            }
        }
    }

    private static IEnumerable<TypeReference?> InBody(MethodBody body)
        => body.Variables.Select(variable => variable.VariableType)
            .Concat(body.Instructions.SelectMany(instruction => instruction.Operand switch
            {
                TypeReference type => [type],
                GenericInstanceMethod generic => [generic.DeclaringType, .. generic.GenericArguments],
                MethodReference method => [method.DeclaringType, method.ReturnType],
                FieldReference field => [field.DeclaringType, field.FieldType],
                _ => Enumerable.Empty<TypeReference>(),
            }));

    private static IEnumerable<TypeReference> Flatten(TypeReference type)
        => type switch
        {
            GenericInstanceType generic => generic.GenericArguments.SelectMany(Flatten).Append(generic.ElementType),
            GenericParameter or FunctionPointerType => [],
            TypeSpecification wrapped => Flatten(wrapped.ElementType),
            _ => [type],
        };
}
